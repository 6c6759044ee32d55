import { identifier, literal, type EngineColumn, type SqlEngine, type SqlSession } from '@cinelake/engine'
import { landedParquet } from './landed-parquet.ts'
import type { ReadableCsv } from './csv-readable.ts'
import { splitFields } from '@cinelake/csv'
import { RAW_LIMIT_BYTES } from './csv-copy.ts'
import { RecordLocator } from './csv-locate.ts'
import { firstRuleIn, FOUND, ORDINAL, ROW_SHAPE, RULES, rulesIn } from './refine-stage-sql.ts'

/** The rejected rows of a task, gathered in the session; all text, `rules` and `found` as they were staged. */
const REJECTED = 'cinelake_rejected'

type Deps = { readonly engine: SqlEngine; readonly session: SqlSession; readonly signal: AbortSignal }

export async function beginRejects({ session, signal }: Pick<Deps, 'session' | 'signal'>): Promise<void> {
  await session.run(
    `CREATE OR REPLACE TEMP TABLE ${REJECTED} (file VARCHAR, line VARCHAR, rules VARCHAR, found VARCHAR, raw VARCHAR)`,
    { signal },
  )
}

/** The rejected rows in the form that `writeRejects` takes. */
export const REJECTS_QUERY = `SELECT ${firstRuleIn('rules')} AS rule, ${rulesIn('rules')} AS rules, file, CAST(line AS BIGINT) AS line, ${rulesIn('found')} AS found, raw
FROM ${REJECTED}`

/** The first rows that broke a rule and were rejected, as `orders.csv:17`; of a landed table its file alone. */
export async function placesOfRejects(
  rule: string,
  count: number,
  { session, signal }: Pick<Deps, 'session' | 'signal'>,
): Promise<string[]> {
  const rows = await session.rows<{ place: string }>(
    `SELECT DISTINCT place FROM (
  SELECT concat_ws(':', file, line) AS place, file, CAST(line AS BIGINT) AS number FROM ${REJECTED}
  WHERE list_contains(${rulesIn('rules')}, ${literal(rule)}) ORDER BY file, number LIMIT ${count}
)`,
    { signal },
  )
  return rows.map(({ place }) => place)
}

/** Finds the lines and the text of a file's rejected rows. @param staged the file as typed rows */
export async function keepCsvRejects(
  csv: ReadableCsv,
  staged: string,
  { engine, session, signal }: Deps,
): Promise<void> {
  // Another session: this one appends while that one reads.
  await using reader = await engine.session()
  const batches = reader.stream(`SELECT ordinal, rules, found FROM (${rejectedSql(staged)}) ORDER BY ordinal`, { signal })
  await session.append(REJECTED, located(csv, batches as AsyncIterable<readonly Rejected[]>), { signal })
}

type Rejected = { readonly ordinal: number; readonly rules: string; readonly found: string | null }

async function* located(csv: ReadableCsv, batches: AsyncIterable<readonly Rejected[]>) {
  await using locator = await RecordLocator.open(csv)
  for await (const batch of batches) {
    const records = await locator.locate(batch.map(({ ordinal }) => ordinal))
    yield records.map(({ ordinal, line, raw }, index) => {
      const { rules = '', found = null } = batch[index] ?? {}
      const what = rules === ROW_SHAPE ? shapeOf(csv, raw) : found
      return [csv.nameAt?.(ordinal) ?? csv.name, String(line), rules, what, raw]
    })
  }
}

/** `6 of 14 fields`; null where it is too long to be known whole. */
function shapeOf({ dialect, fieldCount }: ReadableCsv, raw: string): string | null {
  const record = Buffer.from(raw)
  if (record.length >= RAW_LIMIT_BYTES) return null
  if ((raw.split(dialect.quote).length - 1) % 2 !== 0) return 'a quote that does not close'
  const count = splitFields(record, dialect).length
  return count === fieldCount ? 'text after a quote that closes' : `${count} of ${fieldCount} fields`
}

type LandedTable = { readonly name: string; readonly file: string; readonly landed: readonly EngineColumn[] }

/** Keeps the rejected rows of a landed table, each as JSON. */
export async function keepParquetRejects(
  { name, file, landed }: LandedTable,
  staged: string,
  { session, signal }: Deps,
): Promise<void> {
  const row = landed.map((column) => `${identifier(column.name)} := source.${identifier(column.name)}`).join(', ')
  await session.run(
    `INSERT INTO ${REJECTED}
SELECT ${literal(name)}, NULL, rules, found, CAST(to_json(struct_pack(${row})) AS VARCHAR)
FROM (${rejectedSql(staged)}) AS rejected
JOIN ${landedParquet(file, 'file_row_number = true')} AS source ON source.file_row_number = rejected.ordinal`,
    { signal },
  )
}

function rejectedSql(staged: string): string {
  return `SELECT ${ORDINAL} AS ordinal, ${RULES} AS rules, ${FOUND} AS found
FROM read_parquet(${literal(staged)}, file_row_number = true) WHERE ${RULES} IS NOT NULL`
}
