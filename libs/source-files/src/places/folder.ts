import { makeDirectory } from '@cinelake/core'
import { access, constants, copyFile, open, realpath, rename, rm, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { fileError, fileErrors, systemErrorCode, withTimeout } from '../errors.ts'
import type { DropPlace } from './drop-place.ts'
import { findFiles } from './find-files.ts'
import { fileBelow, isBelow } from './local-paths.ts'
import { readUnchanging } from './read-unchanging.ts'

type Folder = {
  readonly source: string
  readonly folder: string
  /** Absolute path; undefined: files are deleted. */
  readonly archive: string | undefined
}

/** A folder of this machine. */
export function createFolderPlace({ source, folder, archive }: Folder): DropPlace {
  const pathOf = (name: string) => fileBelow(folder, name)
  return {
    location: resolve(folder),
    // The archive does not exist before the first file has landed.
    list: async (pattern, options) =>
      await findFiles({ source, folder }, pattern, {
        ...options,
        except: archive && (await realpath(archive).catch(() => archive)),
      }),
    async stat(name, { signal } = {}) {
      const file = pathOf(name)
      await checkBelow(folder, file, { source, folder, name })
      try {
        const { size: sizeBytes, mtimeMs: modifiedMs, ctimeMs: changedMs } = await withTimeout(stat(file), { signal })
        return { name, sizeBytes, modifiedMs, changedMs }
      } catch (error) {
        if (systemErrorCode(error) === 'ENOENT') return undefined
        throw fileError(error, source, name)
      }
    },
    read: (found, { signal, asFound = false } = {}) =>
      readUnchanging(
        { name: found.name, file: found.file ?? pathOf(found.name) },
        { source, ...(signal && { signal }), found: asFound ? found : undefined },
      ),
    // Times can be set, and disks round them.
    identityOf: () => undefined,
    async clear({ name }, sha256) {
      const file = pathOf(name)
      const about = { source, folder, name }
      await checkBelow(folder, file, about)
      if (archive === undefined) await rm(file, { force: true })
      else await moveTo(file, fileBelow(archive, name), { archive, sha256, about })
    },
    async clearingProblem() {
      for (const target of archive === undefined ? [resolve(folder)] : [resolve(folder), archive]) {
        const existing = await nearestThatExists(target)
        const mayWrite = await access(existing, constants.W_OK).then(
          () => true,
          () => false,
        )
        if (!mayWrite)
          return `${existing} may not be written to: expected so, as files are moved away or deleted after landing; give the agent's account the right to`
      }
      return undefined
    },
    localCopy: async ({ name, file = pathOf(name) }) => file,
    async [Symbol.asyncDispose]() {},
  }
}

/** An archive folder is created when the first file is archived. */
async function nearestThatExists(folder: string): Promise<string> {
  const isThere = (await stat(folder).catch(() => undefined)) !== undefined
  return isThere || dirname(folder) === folder ? folder : await nearestThatExists(dirname(folder))
}

type About = { readonly source: string; readonly folder: string; readonly name: string }

/**
 * Users who can put files into a folder can also put links there: a file that is moved or deleted has to be inside the
 * source's folder, and its target inside the archive.
 * @throws {FILES_OUTSIDE_SOURCE} terminal
 */
async function checkBelow(folder: string, file: string, { source, name }: About): Promise<void> {
  const [root, parent] = await Promise.all(
    [folder, dirname(file)].map(async (path) => await realpath(path).catch(() => path)),
  )
  if (root === undefined || parent === undefined || parent === root || isBelow(root, parent)) return
  throw fileErrors.FILES_OUTSIDE_SOURCE(source, folder, name)
}

async function moveTo(
  file: string,
  target: string,
  { archive, sha256, about }: { readonly archive: string; readonly sha256: string; readonly about: About },
): Promise<void> {
  await makeDirectory(dirname(target))
  await checkBelow(archive, target, about)
  const isTaken = (await stat(target).catch(() => undefined)) !== undefined
  const to = isTaken ? `${target}.${sha256.slice(0, 16)}` : target
  try {
    await rename(file, to)
  } catch (error) {
    // Another agent has moved it.
    if (systemErrorCode(error) === 'ENOENT') return
    if (systemErrorCode(error) !== 'EXDEV') throw error
    await copyAcross(file, to)
  }
}

/** Moves across disks. The copy gets its final name when it is complete. */
async function copyAcross(file: string, target: string): Promise<void> {
  const unfinished = `${target}.unfinished-${process.pid}`
  try {
    await copyFile(file, unfinished)
    await using handle = await open(unfinished, 'r+')
    await handle.sync()
  } catch (error) {
    await rm(unfinished, { force: true })
    throw error
  }
  await rename(unfinished, target)
  await rm(file, { force: true })
}
