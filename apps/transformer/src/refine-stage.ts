import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { rm, stat, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { DELETED_COLUMN, type LandedFile, type Manifest } from '@cinelake/contracts'
import { literal, type SqlEngine, type SqlSession } from '@cinelake/engine'
import type { Window } from '@cinelake/core'
import { LakeObjectMissingError, type Lake, type LocalFile } from '@cinelake/lake'
import type { CheckedDataset } from '@cinelake/pipeline'
import { landedParquet } from './landed-parquet.ts'
import { matchColumns } from './csv-head.ts'
import type { CsvSource } from './csv-readable.ts'
import { hasDeletions, REMAINING, stageDeletions } from './refine-deletions.ts'
import { HeaderMismatchError, LandingDamagedError, LandingLostError, RecordsLostError } from './refine-errors.ts'
import { inOrderOfName } from './refine-plan.ts'
import { keepCsvRejects, keepParquetRejects } from './refine-rejects.ts'
import { stageRecords, type StagedCounts } from './refine-stage-csv.ts'
import { stagedAs } from './staged-parquet.ts'
import { unpack, type UnpackedFile } from './unpack-file.ts'
import { csvSource, parquetSource, RULES, stageQuery, type StageSource } from './refine-stage-sql.ts'

export type StageDeps = {
  readonly lake: Pick<Lake, 'download'>
  readonly window: Window
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
  /** Of a landing of changes: the keys of rows that are gone, which are not among the rows. */
  readonly deleted?: { readonly path: string; readonly rowCount: number }
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
    // A packed file may hold several.
    const next = (): Place => {
      const number = staged.length
      return { file, index: number, dataset, deps, path: join(deps.directory, `staged-${number}.parquet`) }
    }
    if (manifest.format === 'csv') for await (const each of stageLanded(next)) staged.push(each)
    else staged.push(await stageParquet(next(), manifest))
    deps.progress({
      rowCount: staged.reduce((sum, { rowCount }) => sum + rowCount, 0),
      sizeBytes: files.slice(0, index + 1).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    })
  }
  return staged
}

/** Bytes read at once for a digest. */
const DIGEST_BLOCK_BYTES = 1024 * 1024

type Place = {
  readonly file: LandedFile
  readonly index: number
  readonly dataset: CheckedDataset
  readonly deps: StageDeps
  readonly path: string
}

/** @param next says where each file that is found in a landed one goes */
async function* stageLanded(next: () => Place): AsyncGenerator<StagedFile> {
  const place = next()
  const { file, deps } = place
  const { signal, directory } = deps
  await using local = await landedFile(place)
  for await (const unpacked of unpack({ landed: file, file: local.file, directory, signal })) {
    yield await stageCsv(unpacked, next())
  }
}

async function stageCsv(unpacked: UnpackedFile, place: Place): Promise<StagedFile> {
  const { index, dataset, deps } = place
  const copyTo = join(deps.directory, `copy-${index}.csv`)
  const source: CsvSource = {
    name: unpacked.name,
    file: await withoutGlob(unpacked.file, join(deps.directory, `link-${index}.csv`)),
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
  return {
    name: unpacked.name,
    path: place.path,
    rowCount: csv.recordCount,
    rejectedCount,
    unknown: csv.unknown,
    missing,
  }
}

async function stageParquet(place: Place, manifest: Manifest): Promise<StagedFile> {
  const { file, dataset, deps } = place
  await using local = await landedFile(place)
  const landed = await deps.session.describe(`SELECT * FROM ${landedParquet(local.file)}`)
  const isOfChanges = hasDeletions(manifest)
  const names = landed.map(({ name }) => name).filter((name) => !isOfChanges || name !== DELETED_COLUMN)
  const match = matchColumns(names, dataset.contract.columns)
  if (match.problems.length > 0) {
    throw new HeaderMismatchError(file.name, 1, `the columns of the contract`, match.problems.join('; '))
  }
  const sourceOf = (where?: string) => parquetSource(local.file, landed, match.places, dataset, where)
  const found = await stage(sourceOf(isOfChanges ? REMAINING : undefined), place)
  const gone = sourceOf(DELETED_COLUMN)
  const deleted = isOfChanges
    ? await stageDeletions(local.file, gone, { ...place, relation: gone.relation })
    : undefined
  const landedCount = file.rowCount ?? (manifest.files.length === 1 ? manifest.rowCount : undefined)
  const foundCount = found.rowCount + (deleted?.rowCount ?? 0)
  if (landedCount !== undefined && landedCount !== foundCount)
    throw new RecordsLostError(file.name, landedCount, foundCount)
  if (found.rejectedCount > 0) await keepParquetRejects({ name: file.name, file: local.file, landed }, place.path, deps)
  const missing = dataset.contract.columns
    .filter((_, column) => match.places[column] === undefined)
    .map(({ name }) => name)
  return { name: file.name, path: place.path, ...found, ...(deleted && { deleted }), unknown: match.unknown, missing }
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

/**
 * A landed file on this machine, with the bytes that were landed.
 * @throws {LandingLostError} terminal @throws {LandingDamagedError} terminal
 */
async function landedFile({ file, dataset, deps }: Place): Promise<LocalFile> {
  const { lake, window, signal } = deps
  await using opening = new AsyncDisposableStack()
  const local = opening.use(
    await lake.download(file.path, { signal }).catch((error: unknown) => {
      if (!(error instanceof LakeObjectMissingError)) throw error
      throw new LandingLostError(dataset.name, window.label, file.path, 'a file that the manifest names')
    }),
  )
  const { size } = await stat(local.file)
  const damaged = (expected: string, actual: string) =>
    new LandingDamagedError(dataset.name, window.label, file.path, expected, actual)
  if (size !== file.sizeBytes) throw damaged(`${file.sizeBytes} bytes`, `${size}`)
  const sha256 = await digestOf(local.file, signal)
  if (sha256 !== file.sha256) throw damaged(`sha256 ${file.sha256}`, sha256)
  opening.move()
  return local
}

async function digestOf(file: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256')
  for await (const block of createReadStream(file, { highWaterMark: DIGEST_BLOCK_BYTES, signal })) hash.update(block)
  return hash.digest('hex')
}

/** The engine takes `*`, `?` and `[` in a path for a pattern. */
async function withoutGlob(file: string, link: string): Promise<string> {
  if (!/[*?[]/.test(file)) return file
  await symlink(file, link)
  return link
}
