import { rm, stat, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { LandedFile, Manifest } from '@cinelake/contracts'
import { literal, type SqlEngine, type SqlSession } from '@cinelake/engine'
import type { Lake } from '@cinelake/lake'
import type { CheckedDataset } from '@cinelake/pipeline'
import { matchColumns } from './csv-head.ts'
import type { CsvSource } from './csv-readable.ts'
import { FileUnreadableError, HeaderMismatchError, RecordsLostError } from './refine-errors.ts'
import { inOrderOfName } from './refine-plan.ts'
import { keepCsvRejects, keepParquetRejects } from './refine-rejects.ts'
import { stageRecords, type StagedCounts } from './refine-stage-csv.ts'
import { stagedAs } from './staged-parquet.ts'
import { csvSource, parquetSource, RULES, stageQuery, type StageSource } from './refine-stage-sql.ts'

export type StageDeps = {
  readonly lake: Pick<Lake, 'download'>
  readonly engine: SqlEngine
  readonly session: SqlSession
  /** Scratch. */
  readonly directory: string
  readonly signal: AbortSignal
  readonly progress: (done: { rowCount?: number; sizeBytes?: number }) => void
}

/** A landed file as typed rows. */
export type StagedFile = {
  /** As received. */
  readonly name: string
  /** Parquet, local. */
  readonly path: string
  readonly rowCount: number
  readonly rejectedCount: number
  /** Names in the header that are no column of the contract. */
  readonly unknown: readonly string[]
  /** Columns of the contract that the file does not have. */
  readonly missing: readonly string[]
}

/**
 * Makes each landed file into typed rows with the rules that they break, and keeps the rejected ones' raw text. Files
 * are taken in order of name: of two rows that are equally new the one of the later file wins.
 */
export async function stageFiles(manifest: Manifest, dataset: CheckedDataset, deps: StageDeps): Promise<StagedFile[]> {
  const files = inOrderOfName(manifest.files)
  const staged: StagedFile[] = []
  for (const [index, file] of files.entries()) {
    const place: Place = { file, index, dataset, deps, path: join(deps.directory, `staged-${index}.parquet`) }
    staged.push(await (manifest.format === 'csv' ? stageCsv(place) : stageParquet(place, manifest)))
    deps.progress({
      rowCount: staged.reduce((sum, { rowCount }) => sum + rowCount, 0),
      sizeBytes: files.slice(0, index + 1).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    })
  }
  return staged
}

type Place = {
  readonly file: LandedFile
  readonly index: number
  readonly dataset: CheckedDataset
  readonly deps: StageDeps
  readonly path: string
}

async function stageCsv(place: Place): Promise<StagedFile> {
  const { file, index, dataset, deps } = place
  await using local = await deps.lake.download(file.path, { signal: deps.signal })
  await checkSize(local.file, file)
  const copyTo = join(deps.directory, `copy-${index}.csv`)
  const source: CsvSource = {
    name: file.name,
    file: await withoutGlob(local.file, join(deps.directory, `link-${index}.csv`)),
    columns: dataset.contract.columns,
    reading: dataset.reading,
    copyTo,
    signal: deps.signal,
  }
  const { csv, rejectedCount } = await stageRecords(
    source,
    async (found, stop) => await stage(csvSource(found, dataset), place, stop),
  )
  if (rejectedCount > 0) await keepCsvRejects(csv, place.path, deps)
  await rm(copyTo, { force: true })
  const missing = dataset.contract.columns
    .filter((_, column) => csv.places[column] === undefined)
    .map(({ name }) => name)
  return { name: file.name, path: place.path, rowCount: csv.recordCount, rejectedCount, unknown: csv.unknown, missing }
}

async function stageParquet(place: Place, manifest: Manifest): Promise<StagedFile> {
  const { file, dataset, deps } = place
  await using local = await deps.lake.download(file.path, { signal: deps.signal })
  await checkSize(local.file, file)
  const landed = await deps.session.describe(`SELECT * FROM read_parquet(${literal(local.file)})`)
  const match = matchColumns(
    landed.map(({ name }) => name),
    dataset.contract.columns,
  )
  if (match.problems.length > 0) {
    throw new HeaderMismatchError(file.name, 1, `the columns of the contract`, match.problems.join('; '))
  }
  const found = await stage(parquetSource(local.file, landed, match.places, dataset), place)
  const landedCount = file.rowCount ?? (manifest.files.length === 1 ? manifest.rowCount : undefined)
  if (landedCount !== undefined && landedCount !== found.rowCount)
    throw new RecordsLostError(file.name, landedCount, found.rowCount)
  if (found.rejectedCount > 0) await keepParquetRejects({ name: file.name, file: local.file, landed }, place.path, deps)
  const missing = dataset.contract.columns
    .filter((_, column) => match.places[column] === undefined)
    .map(({ name }) => name)
  return { name: file.name, path: place.path, ...found, unknown: match.unknown, missing }
}

async function stage(
  source: StageSource,
  { dataset, index, path, deps }: Place,
  stop?: AbortSignal,
): Promise<StagedCounts> {
  const { session } = deps
  const signal = stop === undefined ? deps.signal : AbortSignal.any([deps.signal, stop])
  const query = stageQuery(source, dataset.contract, index)
  await session.run(`COPY (${query}) TO ${literal(path)} (${stagedAs(dataset.contract.columns)})`, { signal })
  const [counts] = await session.rows<StagedCounts>(
    `SELECT count(*) AS "rowCount", count(${RULES}) AS "rejectedCount" FROM read_parquet(${literal(path)})`,
    { signal },
  )
  return counts ?? { rowCount: 0, rejectedCount: 0 }
}

/** @throws {FileUnreadableError} terminal: not the bytes that were landed */
async function checkSize(local: string, file: LandedFile): Promise<void> {
  const { size } = await stat(local)
  if (size !== file.sizeBytes) {
    throw new FileUnreadableError(
      file.name,
      { byte: Math.min(size, file.sizeBytes) },
      `the ${file.sizeBytes} bytes that were landed`,
      `${size} bytes`,
    )
  }
}

/** The engine takes `*`, `?` and `[` in a path for a pattern. */
async function withoutGlob(file: string, link: string): Promise<string> {
  if (!/[*?[]/.test(file)) return file
  await symlink(file, link)
  return link
}
