import { DELETED_COLUMN, type LandedFile, type Manifest } from '@cinelake/contracts'
import { CancelledError, eachBlock } from '@cinelake/core'
import { matchColumns } from '@cinelake/csv'
import { SqlFailedError, type SqlSession } from '@cinelake/engine'
import { LakeObjectMissingError, type LocalFiles } from '@cinelake/lake'
import type { CheckedDataset, Exploded, FileReading } from '@cinelake/pipeline'
import { literal } from '@cinelake/sql'
import { createHash } from 'node:crypto'
import { readFile, rm, stat, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { type CsvBatch, CsvBatches, SMALL_BYTES } from '../read-csv/batch.ts'
import { type CsvSource, type ForeseenCsv, type ReadableCsv, makeReadable, readWhole } from '../read-csv/readable.ts'
import { needsCopy } from '../read-csv/declared-rows.ts'
import { type UnpackedFile, unpack } from '../read-csv/unpack-file.ts'
import { formatOf } from '../read-format/detect-format.ts'
import { namesFields, openRecords, type RecordFormat } from '../read-format/open-records.ts'
import { explodeRecords } from '../read-records/explode-records.ts'
import type { RecordFile } from '../read-records/record.ts'
import { recordSource, writeRecords } from '../read-records/write-records.ts'
import { REMAINING, stageDeletions } from './deletions.ts'
import { FileUnreadableError, refineErrors } from './errors.ts'
import { hasDeletions, inOrderOfName } from './plan.ts'
import { keepCsvRejects, keepParquetRejects, keepRecordRejects } from './rejects.ts'
import {
  RULES,
  type StageSource,
  WARNED,
  csvSource,
  landedParquet,
  type ParquetOptions,
  parquetSource,
  readReceived,
  stageQuery,
} from './stage-sql.ts'
import { parentRecords, parentsOf, withReadKeys } from './stage-items.ts'
import type { StageDeps, StagedFile } from './staged-file.ts'

/** The places of the rows of one file. */
function inFile(file: string): StagedFile['placeOf'] {
  return (ordinal) => ({ file, row: ordinal + 1 })
}

/**
 * Stages each landed file as typed rows with the rules that they break, and keeps the raw text of rejected rows. Files
 * are processed in order of name: of two rows that are equally new the one in the later file wins.
 */
export async function stageFiles(manifest: Manifest, dataset: CheckedDataset, deps: StageDeps): Promise<StagedFile[]> {
  const files = inOrderOfName(manifest.files)
  const done = { rowCount: 0, sizeBytes: 0 }
  const staged: StagedFile[] = []
  const keep = (some: readonly StagedFile[], sizeBytes: number) => {
    staged.push(...some)
    done.rowCount += some.reduce((sum, { rowCount }) => sum + rowCount, 0)
    done.sizeBytes += sizeBytes
    deps.progress({ ...done })
  }
  let count = 0
  const nextPlace = (): Place => {
    const index = count++
    const isTyped = manifest.isTyped === true
    return { index, dataset, deps, path: join(deps.directory, `staged-${index}.parquet`), isTyped }
  }
  const { explodedFrom } = dataset
  if (manifest.format !== 'csv') {
    for (const file of files) {
      const place = nextPlace()
      const found = explodedFrom ? stageLandedItems(file, place, explodedFrom) : stageParquet(file, place, manifest)
      keep([await found], file.sizeBytes)
    }
    return staged
  }
  await using batches = new CsvBatches(deps.textDirectory)
  const stageBatches = async (complete: readonly CsvBatch[]) => {
    const found: StagedFile[] = []
    for (const batch of complete) found.push(await stageBatch(batch, nextPlace()))
    return found
  }
  // A single file is read in place.
  const isAlone = files.length === 1 && files[0]?.compression !== 'zip'
  for (const group of inGroups(files)) {
    for await (const { unpacked, file } of unpackedFiles(group, dataset, deps)) {
      if (explodedFrom !== undefined) {
        keep([await stageItems(unpacked, file, nextPlace(), explodedFrom)], 0)
        continue
      }
      const whole = isAlone || needsCopy(dataset.reading) ? undefined : await wholeIfSmall(unpacked)
      const format = isCounted(file) ? 'csv' : await formatOf({ ...unpacked, whole }, dataset.reading)
      if (format !== 'csv') {
        keep([await stageReceived(unpacked, format, nextPlace())], 0)
        continue
      }
      if (whole === undefined) keep([await stageCsv(unpacked, file, nextPlace())], 0)
      else {
        const reading = readingOf(dataset, file)
        const { name } = unpacked
        const { columns } = dataset.contract
        const csv = readWhole({ name, columns, reading, isCounted: isCounted(file) }, whole)
        keep(await stageBatches(await batches.add({ ...csv, name, number: count++ })), 0)
      }
    }
    keep(
      [],
      group.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    )
  }
  keep(await stageBatches(await batches.end()), 0)
  return staged
}

type Place = {
  /** The number for the rows: those of later files are newer. */
  readonly index: number
  readonly dataset: CheckedDataset
  readonly deps: StageDeps
  readonly path: string
  /** The texts of the landing came apart from other types. */
  readonly isTyped: boolean
}

/** Files that are downloaded together. */
const GROUP_FILES = 64

/** Large files one by one, small ones many at a time: each is a request to the lake. */
function inGroups(files: readonly LandedFile[]): LandedFile[][] {
  const groups: LandedFile[][] = []
  let areSmall = false
  for (const file of files) {
    const isSmall = file.sizeBytes <= SMALL_BYTES
    const last = groups.at(-1)
    if (last !== undefined && isSmall && areSmall && last.length < GROUP_FILES) last.push(file)
    else groups.push([file])
    areSmall = isSmall
  }
  return groups
}

type Unpacked = { readonly unpacked: UnpackedFile; readonly file: LandedFile }

/** The files in landed files, one after the other, each available until the next one is requested. */
async function* unpackedFiles(
  group: readonly LandedFile[],
  dataset: CheckedDataset,
  deps: StageDeps,
): AsyncGenerator<Unpacked> {
  const { signal, textDirectory: directory, limits } = deps
  await using locals = await landedFiles(group, dataset, deps)
  for (const [index, file] of group.entries()) {
    if (signal.aborted) throw new CancelledError(`refining ${file.name}`, { cause: signal.reason })
    const local = locals.files[index] ?? ''
    for await (const unpacked of unpack({ landed: file, file: local, directory, limits, signal }))
      yield { unpacked, file }
  }
}

async function wholeIfSmall({ file }: UnpackedFile): Promise<Buffer | undefined> {
  return (await stat(file)).size <= SMALL_BYTES ? await readFile(file) : undefined
}

/** Whether the ingest made the file, or read all of it: it is CSV without doubt. */
function isCounted({ rowCount }: LandedFile): boolean {
  return rowCount !== undefined
}

function readingOf({ reading }: CheckedDataset, { delimiter }: LandedFile): FileReading {
  return delimiter === undefined ? reading : { ...reading, delimiter }
}

async function stageBatch({ csv, names, placeOf, guessed }: CsvBatch, place: Place): Promise<StagedFile> {
  const { dataset, deps, path } = place
  const { rowCount, ...broken } = await stage(csvSource(csv, dataset, place.isTyped), place)
  if (rowCount !== csv.recordCount) throw refineErrors.REFINE_RECORDS_LOST(csv.name, csv.recordCount, rowCount)
  if (isAny(broken)) await keepCsvRejects(csv, { path, ...broken }, deps)
  await rm(csv.file, { force: true })
  return { names, placeOf, path, rowCount, ...broken, unknown: csv.unknown, missing: missingOf(csv, dataset), guessed }
}

function missingOf({ places }: Pick<ReadableCsv, 'places'>, { contract }: CheckedDataset): string[] {
  return contract.columns.filter((_, column) => places[column] === undefined).map(({ name }) => name)
}

async function stageCsv(unpacked: UnpackedFile, file: LandedFile, place: Place): Promise<StagedFile> {
  const { index, dataset, deps } = place
  const copyTo = join(deps.textDirectory, `copy-${index}.csv`)
  const source: CsvSource = {
    name: unpacked.name,
    file: await withoutGlob(unpacked.file, join(deps.textDirectory, `link-${index}.csv`)),
    columns: dataset.contract.columns,
    reading: readingOf(dataset, file),
    copyTo,
    isCounted: isCounted(file),
    signal: deps.signal,
  }
  const { csv, ...broken } = await stageRecords(
    source,
    async (found, stop) => await stage(csvSource(found, dataset, place.isTyped), place, stop),
  )
  if (isAny(broken)) await keepCsvRejects(csv, { path: place.path, ...broken }, deps)
  await rm(copyTo, { force: true })
  return {
    names: [unpacked.name],
    placeOf: inFile(unpacked.name),
    path: place.path,
    rowCount: csv.recordCount,
    ...broken,
    unknown: csv.unknown,
    missing: missingOf(csv, dataset),
    ...(csv.footerCount !== undefined && { footerCount: csv.footerCount }),
    ...(csv.guessed && { guessed: new Map([[unpacked.name, csv.guessed]]) }),
  }
}

/** A file that came in another format than CSV. */
async function stageReceived(
  unpacked: UnpackedFile,
  format: RecordFormat | 'parquet',
  place: Place,
): Promise<StagedFile> {
  if (format === 'parquet') return await stageReceivedParquet(unpacked, place)
  const { contract, reading } = place.dataset
  const { name, file } = unpacked
  const records = openRecords(format, { name, file, reading, columns: contract.columns, limits: place.deps.limits })
  return await stageRecordFile({ name, records, ofNames: namesFields(format) }, place)
}

type OpenedFile = {
  readonly name: string
  readonly records: RecordFile
  /** Its records name their own fields. */
  readonly ofNames: boolean
}

async function stageRecordFile({ name, records, ofNames }: OpenedFile, place: Place): Promise<StagedFile> {
  const { dataset, deps, index } = place
  const { columns } = dataset.contract
  const copyTo = join(deps.textDirectory, `records-${index}.csv`)
  const written = await writeRecords(records, columns, copyTo, deps.signal)
  const { found, unknown } = records.names
  if (written.recordCount > 0 && !found.includes(true) && unknown.length > 0) {
    const names = unknown.slice(0, 10).map((one) => `\`${one}\``)
    const expected = `fields with the names of the contract's columns`
    throw refineErrors.REFINE_HEADER_MISMATCH(name, 1, expected, `none of them; found ${names.join(', ')}`)
  }
  const { rowCount, ...broken } = await stage(recordSource(written, dataset), place)
  if (rowCount !== written.recordCount) throw refineErrors.REFINE_RECORDS_LOST(name, written.recordCount, rowCount)
  if (isAny(broken)) await keepRecordRejects({ name, records }, { path: place.path, ...broken }, deps)
  await rm(copyTo, { force: true })
  // A file without records says nothing about its fields.
  const missing = written.recordCount === 0 ? [] : columns.filter((_, column) => found[column] !== true)
  return {
    names: [name],
    placeOf: inFile(name),
    path: place.path,
    rowCount,
    ...broken,
    unknown,
    missing: missing.map((column) => column.name),
    ...(ofNames && { ofRecords: true }),
    ...(records.footerCount && { footerCount: records.footerCount }),
    ...(records.guessed && { guessed: new Map([[name, records.guessed]]) }),
  }
}

/** The items of a list in the rows of a file. */
async function stageItems(
  unpacked: UnpackedFile,
  landed: LandedFile,
  place: Place,
  exploded: Exploded,
): Promise<StagedFile> {
  const { dataset, deps, index } = place
  const { name, file: received } = unpacked
  const parents = parentsOf(dataset, exploded)
  const format = isCounted(landed) ? 'csv' : await formatOf({ ...unpacked, whole: undefined }, dataset.reading)
  if (format === 'parquet') {
    const file = await withoutGlob(received, join(deps.textDirectory, `link-${index}.parquet`))
    return await stageTableItems(name, file, place, { exploded, read: readReceived })
  }
  if (format !== 'csv') {
    const { columns } = parents.contract
    const open = { name, file: received, reading: dataset.reading, columns, limits: deps.limits }
    const keys = join(deps.textDirectory, `keys-${index}.csv`)
    const rows = await withReadKeys(openRecords(format, open), { parents, exploded, file: keys }, deps)
    const records = explodeRecords(rows, dataset.contract.columns, exploded)
    const staged = await stageRecordFile({ name, records, ofNames: true }, place)
    await rm(keys, { force: true })
    return staged
  }
  const copyTo = join(deps.textDirectory, `copy-${index}.csv`)
  const source: CsvSource = {
    name,
    file: await withoutGlob(received, join(deps.textDirectory, `link-${index}.csv`)),
    columns: parents.contract.columns,
    reading: readingOf(dataset, landed),
    copyTo,
    isCounted: isCounted(landed),
    signal: deps.signal,
  }
  const { csv } = await stageRecords(source, async (found) => {
    const { relation } = csvSource(found, parents, place.isTyped)
    return { rowCount: await countWhole(relation, deps), rejectedCount: 0, warnedCount: 0 }
  })
  const rows = { source: csvSource(csv, parents, place.isTyped), name, rowCount: csv.recordCount }
  const staged = await stageRowItems(rows, place, exploded)
  await rm(copyTo, { force: true })
  return { ...staged, ...(csv.guessed && { guessed: new Map([[name, csv.guessed]]) }) }
}

async function stageLandedItems(file: LandedFile, place: Place, exploded: Exploded): Promise<StagedFile> {
  await using locals = await landedFiles([file], place.dataset, place.deps)
  return await stageTableItems(file.name, locals.files[0] ?? '', place, { exploded, unfit: file.unfit })
}

async function stageTableItems(
  name: string,
  file: string,
  place: Place,
  { exploded, ...options }: { readonly exploded: Exploded } & Pick<ParquetOptions, 'read' | 'unfit'>,
): Promise<StagedFile> {
  const { dataset, deps } = place
  const parents = parentsOf(dataset, exploded)
  const landed = await deps.session.describe(`SELECT * FROM ${landedParquet(file)}`)
  const match = matchColumns(
    landed.map((column) => column.name),
    parents.contract.columns,
  )
  const [problem] = match.problems
  if (problem !== undefined)
    throw refineErrors.REFINE_HEADER_MISMATCH(name, 1, `the key of \`${exploded.dataset}\` and the list`, problem)
  const source = parquetSource(file, landed, match, parents, options)
  const rowCount = await countWhole(landedParquet(file), deps)
  return await stageRowItems({ source, name, rowCount }, place, exploded)
}

/** @param rowCount of the parent's rows, all of which have to be found */
async function stageRowItems(
  { source, name, rowCount }: { readonly source: StageSource; readonly name: string; readonly rowCount: number },
  place: Place,
  exploded: Exploded,
): Promise<StagedFile> {
  const { dataset, deps } = place
  const parents = parentRecords(source, exploded, deps.engine)
  const counted: RecordFile = {
    names: parents.names,
    async *read(signal) {
      let found = 0
      for await (const batch of parents.read(signal)) {
        found += batch.length
        yield batch
      }
      if (found !== rowCount) throw refineErrors.REFINE_RECORDS_LOST(name, rowCount, found)
    },
  }
  const records = explodeRecords(counted, dataset.contract.columns, exploded)
  return await stageRecordFile({ name, records, ofNames: true }, place)
}

/** Counts rows by reading all of each. */
async function countWhole(relation: string, { session, signal }: StageDeps): Promise<number> {
  const [found] = await session.rows<{ count: number }>(
    `SELECT count(*) AS count FROM ${relation} AS whole WHERE hash(whole) IS NOT NULL`,
    { signal },
  )
  return found?.count ?? 0
}

async function stageReceivedParquet({ name, file: received }: UnpackedFile, place: Place): Promise<StagedFile> {
  const { dataset, deps, index } = place
  const file = await withoutGlob(received, join(deps.textDirectory, `link-${index}.parquet`))
  const damaged = (error: unknown): never => {
    const isDamaged = error instanceof Error && 'code' in error && error.code === 'ENGINE_FILE_DAMAGED'
    if (!isDamaged) throw error
    const got = 'a damaged or incomplete one, or one with types that are not read'
    throw new FileUnreadableError(name, { line: 1 }, 'a whole Parquet file', got, { cause: error })
  }
  const landed = await deps.session.describe(`SELECT * FROM ${landedParquet(file)}`).catch(damaged)
  const match = matchColumns(
    landed.map((column) => column.name),
    dataset.contract.columns,
  )
  const { unknown, problems } = match
  if (problems.length > 0)
    throw refineErrors.REFINE_HEADER_MISMATCH(name, 1, 'the columns of the contract', problems.join('; '))
  const found = await stage(parquetSource(file, landed, match, dataset, { read: readReceived }), place).catch(damaged)
  const [{ rowCount } = { rowCount: 0 }] = await deps.session.rows<{ rowCount: number }>(
    `SELECT sum(num_rows)::BIGINT AS "rowCount" FROM parquet_file_metadata(${literal(file)})`,
  )
  if (found.rowCount !== rowCount) throw refineErrors.REFINE_RECORDS_LOST(name, rowCount, found.rowCount)
  if (isAny(found)) await keepParquetRejects({ name, file, landed }, { path: place.path, ...found }, deps)
  const missing = missingOf(match, dataset)
  return { names: [name], placeOf: inFile(name), path: place.path, ...found, unknown, missing }
}

async function stageParquet(file: LandedFile, place: Place, manifest: Manifest): Promise<StagedFile> {
  const { dataset, deps } = place
  await using locals = await landedFiles([file], dataset, deps)
  const local = { file: locals.files[0] ?? '' }
  const landed = await deps.session.describe(`SELECT * FROM ${landedParquet(local.file)}`)
  const isOfChanges = hasDeletions(manifest)
  const { unfit } = file
  const own = landed.filter(({ name }) => name !== unfit?.column && (!isOfChanges || name !== DELETED_COLUMN))
  const names = own.map(({ name }) => name)
  const match = matchColumns(names, dataset.contract.columns)
  if (match.problems.length > 0) {
    throw refineErrors.REFINE_HEADER_MISMATCH(file.name, 1, `the columns of the contract`, match.problems.join('; '))
  }
  const sourceOf = (where = '') => parquetSource(local.file, landed, match, dataset, { where, unfit })
  const found = await stage(sourceOf(isOfChanges ? REMAINING : ''), place)
  const gone = sourceOf(DELETED_COLUMN)
  const deleted = isOfChanges
    ? await stageDeletions(local.file, gone, { ...place, relation: gone.relation })
    : undefined
  const landedCount = file.rowCount ?? (manifest.files.length === 1 ? manifest.rowCount : undefined)
  const foundCount = found.rowCount + (deleted?.rowCount ?? 0)
  if (landedCount !== undefined && landedCount !== foundCount)
    throw refineErrors.REFINE_RECORDS_LOST(file.name, landedCount, foundCount)
  if (isAny(found))
    await keepParquetRejects({ name: file.name, file: local.file, landed, unfit }, { path: place.path, ...found }, deps)
  return {
    names: [file.name],
    placeOf: inFile(file.name),
    path: place.path,
    ...found,
    ...(deleted && { deleted }),
    unknown: match.unknown,
    missing: missingOf(match, dataset),
  }
}

function isAny({ rejectedCount, warnedCount }: Pick<StagedCounts, 'rejectedCount' | 'warnedCount'>): boolean {
  return rejectedCount + warnedCount > 0
}

async function stage(
  source: StageSource,
  { dataset, index, path, deps }: Place,
  stop?: AbortSignal,
): Promise<StagedCounts> {
  const { session } = deps
  const signal = stop === undefined ? deps.signal : AbortSignal.any([deps.signal, stop])
  const query = stageQuery(source, dataset.contract, index)
  await usingPlanAsWritten(dataset, session, async () => {
    await session.run(`COPY (${query}) TO ${literal(path)} (${stagedAs(dataset.contract.columns)})`, { signal })
  })
  const [counts] = await session.rows<StagedCounts>(
    `SELECT count(*) AS "rowCount", count(${RULES}) AS "rejectedCount", count(${WARNED}) AS "warnedCount" FROM read_parquet(${literal(path)})`,
    { signal },
  )
  return counts ?? { rowCount: 0, rejectedCount: 0, warnedCount: 0 }
}

/**
 * Local copies of landed files, verified against their digests.
 * @throws {RAW_LOST} terminal @throws {RAW_DAMAGED} terminal
 */
async function landedFiles(
  files: readonly LandedFile[],
  dataset: CheckedDataset,
  { lake, window, signal }: StageDeps,
): Promise<LocalFiles> {
  const paths = files.map(({ path }) => path)
  await using opening = new AsyncDisposableStack()
  const locals = opening.use(
    await lake.downloadAll(paths, { signal }).catch((error: unknown) => {
      if (!(error instanceof LakeObjectMissingError)) throw error
      const lost = paths.find((path) => path === error.context['path']) ?? paths.join(', ')
      throw refineErrors.RAW_LOST(dataset.name, window.label, lost, 'a file that the manifest names')
    }),
  )
  const damaged = ({ path }: LandedFile, expected: string, actual: string) =>
    refineErrors.RAW_DAMAGED(dataset.name, window.label, path, expected, actual)
  const check = async (file: LandedFile, local: string) => {
    const { size } = await stat(local)
    if (size !== file.sizeBytes) throw damaged(file, `${file.sizeBytes} bytes`, `${size}`)
    const sha256 = await sha256OfFile(local, signal)
    if (sha256 !== file.sha256) throw damaged(file, `sha256 ${file.sha256}`, sha256)
  }
  await Promise.all(files.map(async (file, index) => await check(file, locals.files[index] ?? '')))
  opening.move()
  return locals
}

async function sha256OfFile(file: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256')
  await eachBlock(file, (block) => hash.update(block), { signal })
  return hash.digest('hex')
}

/** Escapes a path: the engine takes `*`, `?` and `[` for a pattern. */
async function withoutGlob(file: string, link: string): Promise<string> {
  if (!/[*?[]/.test(file)) return file
  await symlink(file, link)
  return link
}

/**
 * How rows are staged: read back at once and discarded. Small row groups keep the engine's memory for a file small; a
 * dictionary of few values costs a fifth less than the default one, which the engine abandons late.
 */
const STAGED = 'FORMAT parquet, COMPRESSION lz4_raw, ROW_GROUP_SIZE 30720, DICTIONARY_SIZE_LIMIT 200'

/** Columns from which a table is wide: what the engine spends on each column then counts more than what it spends on rows. */
const WIDE_COLUMNS = 100

/**
 * Runs the staging of a wide table without the engine's optimizer, which takes quadratic time in the number of columns
 * (1.5.6: minutes for 5,000) and has nothing to improve: the query has no join, no filter and no unused column.
 */
async function usingPlanAsWritten(
  { contract }: Pick<CheckedDataset, 'contract'>,
  session: SqlSession,
  run: () => Promise<void>,
): Promise<void> {
  if (contract.columns.length <= WIDE_COLUMNS) return await run()
  await session.run('PRAGMA disable_optimizer')
  try {
    await run()
  } finally {
    await session.run('PRAGMA enable_optimizer')
  }
}

/**
 * The engine (1.5.6) reserves memory for the largest dictionary page of each text column before the first value: more
 * than half a megabyte by default.
 */
const NARROW_DICTIONARIES = 'STRING_DICTIONARY_PAGE_SIZE_LIMIT 256'

/** The options of a COPY into a staged file with columns of these types. */
function stagedAs(columns: readonly { readonly type: string }[]): string {
  // Version 2 takes a third less space and time, but the engine (1.5.6) fails to write some lists of text in it.
  const version = columns.some(({ type }) => type.endsWith('[]')) ? 'v1' : 'v2'
  const wide = columns.length > WIDE_COLUMNS ? `, ${NARROW_DICTIONARIES}` : ''
  return `${STAGED}, PARQUET_VERSION ${version}${wide}`
}

export type StagedCounts = {
  readonly rowCount: number
  readonly rejectedCount: number
  /** Rows that break only rules of severity `warn`. */
  readonly warnedCount: number
}

/** Stages a file as typed rows. @param signal cancels it, in addition to the task's own signal */
type StageCsv = (csv: ForeseenCsv, signal?: AbortSignal) => Promise<StagedCounts>

/**
 * Checks a file and stages it. The engine has to find the records that were counted here: not one less, and all of them
 * readable. Otherwise it gets a normalised copy of the file. For a large file staging begins while the check is still
 * running (speculative parse), and is cancelled when the check finds something unusual. Exported for tests.
 * @throws {REFINE_RECORDS_LOST} terminal: the engine finds other records even then
 */
export async function stageRecords(
  source: CsvSource,
  stage: StageCsv,
): Promise<{ csv: ReadableCsv } & Omit<StagedCounts, 'rowCount'>> {
  const early = new EarlyStage(stage)
  const csv = await makeReadable({ ...source, foresee: (foreseen) => early.begin(foreseen) }).catch(
    async (error: unknown) => {
      await early.stop()
      throw error
    },
  )
  if (csv.isCopy) {
    await early.stop()
    const { rowCount, ...broken } = await stage(csv)
    if (rowCount !== csv.recordCount) throw refineErrors.REFINE_RECORDS_LOST(source.name, csv.recordCount, rowCount)
    return { csv, ...broken }
  }
  // The speculative stage had no information about NUL.
  if (csv.hasNul === true) await early.stop()
  const found = (csv.hasNul === true ? undefined : await early.result()) ?? (await unlessFaulty(stage(csv)))
  if (found?.rowCount === csv.recordCount)
    return { csv, rejectedCount: found.rejectedCount, warnedCount: found.warnedCount }
  return await stageRecords({ ...source, mustCopy: true }, stage)
}

/** A speculative stage. Its errors are ignored: they recur in the final stage. */
class EarlyStage {
  readonly #stage: StageCsv
  readonly #stop = new AbortController()
  #counts: Promise<StagedCounts | undefined> = Promise.resolve(undefined)

  constructor(stage: StageCsv) {
    this.#stage = stage
  }

  begin(csv: ForeseenCsv): void {
    this.#counts = this.#stage(csv, this.#stop.signal).catch(() => undefined)
  }

  async result(): Promise<StagedCounts | undefined> {
    return await this.#counts
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#counts
  }
}

async function unlessFaulty(staged: Promise<StagedCounts>): Promise<StagedCounts | undefined> {
  try {
    return await staged
  } catch (error) {
    if (error instanceof SqlFailedError) return undefined
    throw error
  }
}
