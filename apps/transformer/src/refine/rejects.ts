import { literal } from '@cinelake/sql'
import { splitFields } from '@cinelake/csv'
import type { EngineColumn, SqlEngine, SqlSession } from '@cinelake/engine'
import { RAW_LIMIT_BYTES } from '../read-csv/copy.ts'
import { RecordLocator } from '../read-csv/locate.ts'
import type { ReadableCsv } from '../read-csv/readable.ts'
import type { FoundRecord, RecordFile } from '../read-records/record.ts'
import { TOO_LONG } from '../read-records/write-records.ts'
import {
  landedWithOrdinal,
  stagedRelation,
  ENCODING,
  firstRuleIn,
  FOUND,
  ORDINAL,
  ROW_SHAPE,
  RULES,
  rulesIn,
  WARNED,
} from './stage-sql.ts'
import { type Unfit, fieldsWithUnfit } from './unfit.ts'
import { MAX_KEPT_ROWS } from '../write-rejects.ts'

/**
 * The broken rows of a task, collected in the session: those that it rejects, and some of those that it keeps. All
 * text, `rules` and `found` as they were staged.
 */
const REJECTED = 'cinelake_rejected'

type Deps = { readonly engine: SqlEngine; readonly session: SqlSession; readonly signal: AbortSignal }

export async function beginRejects({ session, signal }: Pick<Deps, 'session' | 'signal'>): Promise<void> {
  await session.run(
    `CREATE OR REPLACE TEMP TABLE ${REJECTED} (file VARCHAR, line VARCHAR, rules VARCHAR, found VARCHAR, kept VARCHAR, raw VARCHAR)`,
    { signal },
  )
}

/** The rejected rows in the form of `writeRejects`. */
export const REJECTS_QUERY = `SELECT ${firstRuleIn('rules')} AS rule, ${rulesIn('rules')} AS rules, file, CAST(line AS BIGINT) AS line, ${rulesIn('found')} AS found, CAST(kept AS BOOLEAN) AS kept, raw
FROM ${REJECTED}`

/** The same for a task that a rule makes fail: rows that only broke a warning are not in the table either. */
export const FAILED_REJECTS_QUERY = `${REJECTS_QUERY} WHERE NOT CAST(kept AS BOOLEAN)`

/** The first rows that broke a rule, as `orders.csv:17`; for a landed table with the row's number in its file. */
export async function placesOfRejects(
  rule: string,
  count: number,
  { session, signal }: Pick<Deps, 'session' | 'signal'>,
): Promise<string[]> {
  const rows = await session.rows<{ place: string }>(
    `SELECT DISTINCT concat_ws(':', file, line) AS place, file, CAST(line AS BIGINT) AS number FROM ${REJECTED}
WHERE list_contains(${rulesIn('rules')}, ${literal(rule)}) ORDER BY file, number LIMIT ${count}`,
    { signal },
  )
  return rows.map(({ place }) => place)
}

/** Finds the lines and the text of a file's rejected rows. @param staged the file as typed rows */
export async function keepCsvRejects(csv: ReadableCsv, staged: StagedRows, deps: Deps): Promise<void> {
  await keepRejects(staged, deps, (batches) => located(csv, batches))
}

type RejectRows = AsyncIterable<readonly (readonly (string | null)[])[]>

/** @param rowsOf the rows for the rejects, by the ordinals of broken ones */
async function keepRejects(
  staged: StagedRows,
  { engine, session, signal }: Deps,
  rowsOf: (broken: AsyncIterable<readonly Rejected[]>) => RejectRows,
): Promise<void> {
  const wanted = await brokenSql(staged, { session, signal })
  // Another session: this one appends while that one reads.
  await using reader = await engine.session()
  const batches = reader.stream(`SELECT ordinal, rules, found, kept FROM (${wanted}) ORDER BY ordinal`, { signal })
  await session.append(REJECTED, rowsOf(batches as AsyncIterable<readonly Rejected[]>), { signal })
}

type Rejected = {
  readonly ordinal: number
  readonly rules: string
  readonly found: string | null
  readonly kept: boolean
}

async function* located(csv: ReadableCsv, batches: AsyncIterable<readonly Rejected[]>) {
  await using locator = await RecordLocator.open(csv)
  for await (const batch of batches) {
    const records = await locator.locate(batch.map(({ ordinal }) => ordinal))
    yield records.map(({ ordinal, line, raw }, index) => {
      const { rules = '', found = null, kept = false } = batch[index] ?? {}
      const what = rules === ROW_SHAPE ? shapeOf(csv, raw) : rules === ENCODING ? damageOf(csv) : found
      return [csv.nameAt?.(ordinal) ?? csv.name, String(line), rules, what, String(kept), raw]
    })
  }
}

type ReadRecords = { readonly name: string; readonly records: RecordFile }

/** Finds the places and the text of rejected records, by reading the file once more. */
export async function keepRecordRejects({ name, records }: ReadRecords, staged: StagedRows, deps: Deps): Promise<void> {
  await keepRejects(staged, deps, (batches) => withRecords(name, records.read(deps.signal), batches))
}

async function* withRecords(
  name: string,
  batches: AsyncIterable<readonly FoundRecord[]>,
  rejected: AsyncIterable<readonly Rejected[]>,
) {
  const records = batches[Symbol.asyncIterator]()
  let batch: readonly FoundRecord[] = []
  let first = 0
  try {
    for await (const some of rejected) {
      const rows: (string | null)[][] = []
      for (const { ordinal, rules, found, kept } of some) {
        while (ordinal >= first + batch.length) {
          const next = await records.next()
          if (next.done === true) throw new RangeError(`${name} has no record ${ordinal}`)
          first += batch.length
          batch = next.value
        }
        const record = batch[ordinal - first]
        const { line = 0, problem = TOO_LONG } = record ?? {}
        const place = record?.placeOf?.(columnIn(rules)) ?? record?.place
        const file = place === undefined ? name : `${name} ${place}`
        const what = rules === ROW_SHAPE ? problem : found
        // A cell's place has its row.
        const ofLine = record?.placeOf === undefined ? String(line) : null
        rows.push([file, ofLine, rules, what, String(kept), record?.raw() ?? null])
      }
      yield rows
    }
  } finally {
    await records.return?.()
  }
}

/** The column of the first rule in a list: `price` of `type(price)`; the empty text for a rule without one. */
function columnIn(rules: string): string {
  const [first = ''] = rules.split('\u001f')
  return /^\w+\((.*)\)$/.exec(first)?.[1] ?? ''
}

function damageOf({ encoding }: ReadableCsv): string {
  return `bytes that are not ${encoding}`
}

/** `6 of 14 fields`; null where the record is too long to be read whole. */
function shapeOf({ sourceDialect, dialect: own, fieldCount }: ReadableCsv, raw: string): string | null {
  const dialect = sourceDialect ?? own
  const record = Buffer.from(raw)
  if (record.length >= RAW_LIMIT_BYTES) return null
  if (dialect.quote !== '' && (raw.split(dialect.quote).length - 1) % 2 !== 0) return 'a quote that does not close'
  const count = splitFields(record, dialect).length
  if (record.includes('␀')) return 'a NUL, which is no text'
  return count === fieldCount ? 'text after a quote that closes' : `${count} of ${fieldCount} fields`
}

type LandedTable = {
  readonly name: string
  readonly file: string
  readonly landed: readonly EngineColumn[]
  readonly unfit?: Unfit | undefined
}

/** Keeps the rejected rows of a landed table, each as JSON, with its number in the file from 1. */
export async function keepParquetRejects(
  { name, file, landed, unfit }: LandedTable,
  staged: StagedRows,
  { session, signal }: Deps,
): Promise<void> {
  const row = fieldsWithUnfit(landed, unfit, 'source')
  await session.run(
    `INSERT INTO ${REJECTED}
SELECT ${literal(name)}, CAST(rejected.ordinal + 1 AS VARCHAR), rejected.rules, rejected.found, CAST(rejected.kept AS VARCHAR), CAST(to_json(struct_pack(${row})) AS VARCHAR)
FROM (${await brokenSql(staged, { session, signal })}) AS rejected
JOIN ${landedWithOrdinal(file, landed)} AS source ON source.${ORDINAL} = rejected.ordinal`,
    { signal },
  )
}

/** A file as typed rows. */
type StagedRows = {
  /** Parquet, local. */
  readonly path: string
  readonly rejectedCount: number
  readonly warnedCount: number
}

/** The rows of a file to collect: all rejected ones, and others up to the limit. */
async function brokenSql(
  { path, rejectedCount, warnedCount }: StagedRows,
  deps: Pick<Deps, 'session' | 'signal'>,
): Promise<string> {
  // Of the row only its place and rules: not the columns of a contract.
  const file = stagedRelation([path], { columns: [] })
  const rows = (rules: string, kept: boolean) =>
    `SELECT ${ORDINAL} AS ordinal, ${rules} AS rules, ${FOUND} AS found, ${kept} AS kept FROM ${file}`
  const rejected = `${rows(RULES, false)} WHERE ${rejectedCount === 0 ? 'false' : `${RULES} IS NOT NULL`}`
  if (warnedCount === 0) return rejected
  const firstOf = (await roomLeft(path, deps)).map(
    ({ rule, room }) =>
      `(SELECT ${ORDINAL} FROM ${file} WHERE list_contains(${rulesIn(WARNED)}, ${literal(rule)}) ORDER BY ${ORDINAL} LIMIT ${room})`,
  )
  if (firstOf.length === 0) return rejected
  return `${rejected} UNION ALL ${rows(WARNED, true)} WHERE ${ORDINAL} IN (${firstOf.join(' UNION ')})`
}

/** The rules of severity `warn` that rows of a file break, as long as the limit allows some. */
async function roomLeft(
  path: string,
  { session, signal }: Pick<Deps, 'session' | 'signal'>,
): Promise<{ readonly rule: string; readonly room: number }[]> {
  const rulesOf = (of: string, where: string) => `SELECT unnest(${rulesIn(of)}) AS rule FROM ${where}`
  const kept = `SELECT rule, count(*) AS n FROM (${rulesOf('rules', `${REJECTED} WHERE kept = 'true'`)}) GROUP BY rule`
  const broken = `SELECT DISTINCT rule FROM (${rulesOf(WARNED, `read_parquet(${literal(path)}) WHERE ${WARNED} IS NOT NULL`)})`
  return await session.rows(
    `SELECT rule, ${MAX_KEPT_ROWS} - coalesce(n, 0) AS room FROM (${broken}) LEFT JOIN (${kept}) USING (rule) WHERE coalesce(n, 0) < ${MAX_KEPT_ROWS} ORDER BY rule`,
    { signal },
  )
}
