import {
  type FilePlace,
  type PlaceFile,
  PlaceFileChangedError,
  PlaceFileForbiddenError,
  placeErrors,
} from '@cinelake/file-places'
import { createWriteStream } from 'node:fs'
import { basename, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { FileChangedError, FileForbiddenError } from '../errors.ts'
import type { DropPlace, FoundFile } from './drop-place.ts'

type Remote = {
  readonly source: string
  readonly place: FilePlace
  /** Folder below the place; undefined: files are deleted. */
  readonly archive: string | undefined
}

/** Milliseconds for which a time in whole seconds may be that of two contents, as the clocks of two machines tell it. */
const YOUNG_MS = 300_000

/** A folder on a server. */
export function createRemotePlace({ source, place, archive }: Remote): DropPlace {
  const { location } = place
  if (archive !== undefined && (/^[/\\]|:\/\//.test(archive) || archive.split('/').includes('..'))) {
    throw placeErrors.PLACE_ADDRESS_INVALID(`expected an archive below the place [place=${location}], such as \`done\``)
  }
  const archived = archive?.replaceAll(/^(?:\.\/)+|\/+$/g, '')
  const isArchived = (name: string) => archived !== undefined && (name === archived || name.startsWith(`${archived}/`))
  return {
    location,
    async list(pattern, { within, signal }) {
      const found: FoundFile[] = []
      const wanted = {
        prefix: pattern.prefix,
        opens: (folder: string) => pattern.opens(folder) && !isArchived(folder),
        takes: (name: string) => pattern.takes(name) && !isArchived(name),
        names: () => pattern.namesWithin(within),
      }
      for await (const file of place.list(wanted, { signal })) found.push(foundOf(file))
      // In order of code units: the same on every machine and in every locale.
      return found.sort((one, other) => (one.name < other.name ? -1 : 1))
    },
    async stat(name, options) {
      const file = await place.stat(name, options)
      return file && foundOf(file)
    },
    async *read(file, options) {
      try {
        yield* place.read(file, options)
      } catch (error) {
        if (error instanceof PlaceFileChangedError) throw new FileChangedError(source, file.name, error.change)
        if (error instanceof PlaceFileForbiddenError) {
          const remedy = `let what \`auth\` says, or the identity of this process, read it at ${location}`
          throw new FileForbiddenError(source, file.name, 'a refusal', remedy)
        }
        throw error
      }
    },
    identityOf({ name, sizeBytes, modifiedMs, etag }, now) {
      if (etag === undefined && now - modifiedMs < YOUNG_MS) return undefined
      return JSON.stringify([name, sizeBytes, modifiedMs, etag ?? ''])
    },
    async clear(file, sha256, options) {
      if (archived === undefined) await place.delete(file, options)
      else {
        const target = `${archived}/${file.name}`
        const outcome = await place.move(file, target, options)
        if (outcome === 'taken') await place.move(file, `${target}.${sha256.slice(0, 16)}`, options)
      }
    },
    // Whether it may be written to is known when it is.
    clearingProblem: async () => undefined,
    async localCopy(file, directory, { signal } = {}) {
      const copy = join(directory, `copy-${basename(file.name)}`)
      await pipeline(place.read(file, { signal }), createWriteStream(copy), signal === undefined ? {} : { signal })
      return copy
    },
    [Symbol.asyncDispose]: async () => await place[Symbol.asyncDispose](),
  }
}

/** What was put there has the time at which it was. */
function foundOf({ name, sizeBytes, modifiedMs, etag }: PlaceFile): FoundFile {
  return { name, sizeBytes, modifiedMs, changedMs: modifiedMs, etag }
}
