import type { Ingest, Manifest } from '@cinelake/contracts'
import type { Log } from '@cinelake/core'
import { landObject, windowFolder, type Lake, type Landed } from '@cinelake/lake'
import type { FilesDataset, FilesSource } from '@cinelake/pipeline'
import type { TaskContext } from '@cinelake/bus'
import type { Fill } from '@cinelake/secrets'
import { FilesMissingError } from './errors.ts'
import { belongsTo, parseFilePattern, type FilePattern } from './file-pattern.ts'
import { findFiles, type FoundFile } from './find-files.ts'
import { readUnchanging } from './read-unchanging.ts'

type Deps = { readonly lake: Lake; readonly fill: Fill; readonly log: Log }

/** Copies the files of one window into raw, byte for byte. */
export function createIngestFileDrop({ lake, fill, log }: Deps) {
  return async (
    command: Ingest,
    place: { readonly source: FilesSource; readonly dataset: FilesDataset; readonly timeZone: string },
    context: TaskContext,
  ): Promise<Landed> => {
    const { source, dataset } = place
    const folder = await fill(source.path)
    const pattern = parseFilePattern(dataset.files)
    const found = await findFiles({ source: source.name, folder }, pattern, context)
    const wanted = filesOfWindow(found, pattern, { command, timeZone: place.timeZone, log })
    if (wanted.length === 0) {
      const about = {
        source: source.name,
        dataset: dataset.name,
        folder,
        files: pattern.text,
        window: command.window.label,
      }
      if (dataset.whenMissing === 'fail') throw new FilesMissingError(about)
      log.info(about, 'no file came for the window, which the dataset allows')
    }
    return { format: 'csv', files: await copyAll(lake, wanted, command, context) }
  }
}

function filesOfWindow(
  found: readonly FoundFile[],
  pattern: FilePattern,
  { command, timeZone, log }: { command: Ingest; timeZone: string; log: Log },
): FoundFile[] {
  return found.filter(({ name }) => {
    const verdict = pattern.judge(name, timeZone)
    if (verdict.kind === 'impossible') {
      log.warn({ source: command.source, dataset: command.dataset, name }, `file is left out: ${verdict.problem}`)
    }
    return belongsTo(verdict, command.window)
  })
}

async function copyAll(
  lake: Lake,
  wanted: readonly FoundFile[],
  command: Ingest,
  { signal, progress }: TaskContext,
): Promise<Manifest['files']> {
  const files: Manifest['files'] = []
  let sizeBytes = 0
  for (const found of wanted) {
    const path = `raw/files/${command.source}/${command.dataset}/${windowFolder(command)}/${found.name}`
    const landed = await landObject(lake, path, () => readUnchanging(found, { source: command.source, signal }), {
      signal,
    })
    files.push({ path: landed.path, name: found.name, sizeBytes: landed.sizeBytes, sha256: landed.sha256 })
    sizeBytes += landed.sizeBytes
    progress({ sizeBytes })
  }
  return files
}
