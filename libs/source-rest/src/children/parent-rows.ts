import { manifestPath, type Ingest } from '@cinelake/contracts'
import { taskFileName } from '@cinelake/core'
import { OWN_DIALECT, readRecords } from '@cinelake/csv'
import { readManifest, type Lake } from '@cinelake/lake'
import { restLandingErrors } from '../landing/errors.ts'

export type Parent = {
  /** Lake path of the parent's file; undefined if it landed no rows. */
  readonly path: string | undefined
  /** Digest of that file's bytes. */
  readonly sha256: string
}

/**
 * The parent's landing in the same window. Of several generations the newest that is not newer than the
 * command's: a re-run of the child alone uses the parent's existing rows.
 * @throws {REST_PARENT_MISSING} terminal
 */
export async function parentOf(lake: Lake, command: Ingest, parent: string, signal: AbortSignal): Promise<Parent> {
  const { pipeline, window, source, dataset } = command
  const task = taskFileName(`ingest ${source}/${parent}`)
  for (let generation = command.generation; generation >= 1; generation -= 1) {
    const manifest = await readManifest(lake, manifestPath(pipeline.name, window.label, task, generation), { signal })
    if (manifest === undefined) continue
    const [file] = manifest.files
    return { path: file?.path, sha256: file?.sha256 ?? '' }
  }
  throw restLandingErrors.REST_PARENT_MISSING(dataset, parent, 'no landing in this window')
}

/**
 * Columns of the rows of a parent, in their order.
 * @throws {REST_PARENT_MISSING} terminal: there is no such column
 */
export async function* parentRows(
  lake: Lake,
  { path }: Parent,
  fields: readonly string[],
  names: { readonly dataset: string; readonly parent: string },
  signal: AbortSignal,
): AsyncGenerator<(string | null)[]> {
  if (path === undefined) return
  let places: number[] | undefined
  const content = lake.read(path, { signal })
  for await (const { cells: row } of readRecords(content, { dialect: OWN_DIALECT, maxRecordBytes: Infinity })) {
    if (places !== undefined) {
      yield places.map((place) => row[place] ?? null)
      continue
    }
    places = fields.map((field) => row.indexOf(field))
    const missing = fields.filter((_, index) => places?.[index] === -1)
    if (missing.length > 0) {
      throw restLandingErrors.REST_PARENT_MISSING(
        names.dataset,
        names.parent,
        `no column ${missing.join(', ')} among ${row.slice(0, 20).join(', ')}`,
      )
    }
  }
}
