import type { FilesDataset, FilesSource } from './config/index.ts'
import type { Fill } from '@cinelake/secrets'
import { access, constants, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { parseFilePattern } from './file-pattern.ts'
import { findFiles } from './find-files.ts'
import { archiveFolder } from './local-paths.ts'

/** Checks that a dataset's folder may be read, and written to if files are archived after landing. No file is opened. */
export async function checkFolder(
  source: FilesSource,
  dataset: FilesDataset,
  { fill, signal }: { readonly fill: Fill; readonly signal: AbortSignal },
): Promise<string | { readonly outcome: 'problem'; readonly detail: string }> {
  const path = await fill(source.path)
  const folder = resolve(path)
  const found = await findFiles({ source: source.name, folder: path }, parseFilePattern(dataset.files), { signal })
  for (const { file } of found.slice(-1)) await access(file, constants.R_OK)
  const { afterLanding = 'leave' } = dataset
  const count = `${folder} may be read; ${found.length} files like ${dataset.files} are there`
  if (afterLanding === 'leave') return count
  const targets = [folder]
  if (typeof afterLanding === 'object') targets.push(archiveFolder(folder, await fill(afterLanding.archive)))
  for (const target of targets) {
    const existing = await nearestThatExists(target)
    const mayWrite = await access(existing, constants.W_OK).then(
      () => true,
      () => false,
    )
    if (mayWrite) continue
    const detail = `${existing} may not be written to: expected so, as files are moved away or deleted after landing; give the agent's account the right to`
    return { outcome: 'problem', detail }
  }
  return `${count}, and may be moved away or deleted`
}

/** An archive folder is created when the first file is archived. */
async function nearestThatExists(folder: string): Promise<string> {
  const isThere = (await stat(folder).catch(() => undefined)) !== undefined
  return isThere || dirname(folder) === folder ? folder : await nearestThatExists(dirname(folder))
}
