import type { QualityResult } from '@cinelake/contracts'
import type { SqlSession } from '@cinelake/engine'
import type { CheckedColumn, CheckedDataset } from '@cinelake/pipeline'
import { identifier, identifiers } from '@cinelake/sql'
import { ORDINAL, PATH } from './stage-sql.ts'
import type { StagedFile } from './staged-file.ts'

// What a table's keys do not tell: rows that share one and contradict each other, and keys that a person would take for
// the same.

type Keyed = Pick<CheckedDataset, 'contract' | 'newestBy' | 'duplicates'>

/** Rows that share a key, or have keys that look alike. */
export type Twins = {
  /** A FROM clause of them, with the clauses after it: all rows of each key are among them. */
  readonly rows: string
  readonly files: readonly StagedFile[]
}

export type TwinFindings = {
  /** Duplicates that contradict a row of their key that is as new. */
  readonly conflictCount: number
  /** Columns in which they do. */
  readonly columns: readonly string[]
  /** Places of some of them. */
  readonly places: readonly string[]
  /** Groups of keys that differ only in blanks or case. */
  readonly lookAlikeCount: number
}

export const NO_TWINS: TwinFindings = { conflictCount: 0, columns: [], places: [], lookAlikeCount: 0 }

/** Most rows that a result names. */
const PLACES = 3

/** What has no shape of its own in a text: white space of Unicode, and characters without width. */
const INVISIBLE = String.raw`[\s\p{Z}\x{AD}\x{180E}\x{200B}-\x{200F}\x{2060}\x{FEFF}]`

/**
 * The columns of a key in SQL, each text in the form that it shares with the texts that look like it: without blanks and
 * case. Most texts are ASCII, for which that takes no regular expression.
 */
export function plainKey({ contract }: Pick<Keyed, 'contract'>): string {
  return keyColumns(contract)
    .map(({ name, type }) => {
      const column = identifier(name)
      if (type !== 'VARCHAR') return column
      const other = `lower(nfc_normalize(regexp_replace(${column}, '${INVISIBLE}', '', 'g')))`
      return `CASE WHEN strlen(${column}) = length(${column}) THEN lower(replace(${column}, ' ', '')) ELSE ${other} END`
    })
    .join(', ')
}

function keyColumns({ columns, primaryKey }: Keyed['contract']): CheckedColumn[] {
  return primaryKey.flatMap((name) => columns.find((column) => column.name === name) ?? [])
}

/** Looks at rows that share a key, or nearly so. */
export async function lookAtTwins(
  dataset: Keyed,
  { rows, files }: Twins,
  { session, signal }: { readonly session: SqlSession; readonly signal: AbortSignal },
): Promise<TwinFindings> {
  const { contract, newestBy, duplicates } = dataset
  const key = identifiers(contract.primaryKey)
  const others = contract.columns.filter(({ name }) => !contract.primaryKey.includes(name))
  const lookAlikeCount = keyColumns(contract).some(({ type }) => type === 'VARCHAR')
    ? await numberOf(
        `SELECT count(*) AS n FROM (SELECT 1 FROM (SELECT DISTINCT ${key} ${rows}) GROUP BY ${plainKey(dataset)} HAVING count(*) > 1)`,
      )
    : 0
  if (others.length === 0) return { ...NO_TWINS, lookAlikeCount }

  // Where a column says which row is newer, only rows that are as new contradict each other.
  const newest = newestBy.map((name) => `${identifier(name)} DESC NULLS LAST`).join(', ')
  const rivals = `SELECT * ${rows}${newest === '' ? '' : ` QUALIFY rank() OVER (PARTITION BY ${key} ORDER BY ${newest}) = 1`}`
  const differs = others.map(({ name }) => {
    const column = identifier(name)
    const said = duplicates === 'fill' ? ` FILTER (WHERE ${column} IS NOT NULL)` : ''
    return `coalesce(min(hash(${column}))${said} <> max(hash(${column}))${said}, false)`
  })
  const perKey = `SELECT ${key}, count(DISTINCT hash(${identifiers(others.map(({ name }) => name))})) - 1 AS "cinelake.n", ${differs
    .map((differ, at) => `${differ} AS "cinelake.d${at}"`)
    .join(', ')} FROM (${rivals}) GROUP BY ${key}`
  const isAny = differs.map((_, at) => `"cinelake.d${at}"`).join(' OR ')
  const [found = {}] = await session.rows<Record<string, number | boolean | null>>(
    `SELECT sum("cinelake.n")::BIGINT AS n, ${differs.map((_, at) => `bool_or("cinelake.d${at}") AS d${at}`).join(', ')} FROM (${perKey}) WHERE ${isAny}`,
    { signal },
  )
  const conflictCount = Number(found['n'] ?? 0)
  if (conflictCount === 0) return { ...NO_TWINS, lookAlikeCount }
  const examples = await session.rows<{ path: string; ordinal: number }>(
    `SELECT ${PATH} AS path, ${ORDINAL} AS ordinal FROM (${rivals}) SEMI JOIN (SELECT ${key} FROM (${perKey}) WHERE ${isAny}) USING (${key})
ORDER BY path, ordinal LIMIT ${PLACES}`,
    { signal },
  )
  return {
    conflictCount,
    columns: others.filter((_, at) => found[`d${at}`] === true).map(({ name }) => name),
    places: examples.map(({ path, ordinal }) => placeIn(files, path, ordinal)),
    lookAlikeCount,
  }

  async function numberOf(sql: string): Promise<number> {
    const [row] = await session.rows<{ n: number }>(sql, { signal })
    return row?.n ?? 0
  }
}

function placeIn(files: readonly StagedFile[], path: string, ordinal: number): string {
  const place = files.find((file) => file.path === path)?.placeOf(ordinal)
  return place === undefined ? '' : `row ${place.row} of ${place.file}`
}

/** The findings of several disjoint sets of keys together. */
export function together(one: TwinFindings, other: TwinFindings): TwinFindings {
  return {
    conflictCount: one.conflictCount + other.conflictCount,
    columns: [...new Set([...one.columns, ...other.columns])],
    places: [...one.places, ...other.places].slice(0, PLACES),
    lookAlikeCount: one.lookAlikeCount + other.lookAlikeCount,
  }
}

/** @param checked rows of the task @param duplicateCount of them */
export function twinQuality(
  { contract, newestBy, duplicates }: Keyed,
  { conflictCount, columns, places, lookAlikeCount }: TwinFindings,
  { checked, duplicateCount }: { readonly checked: number; readonly duplicateCount: number },
): QualityResult[] {
  const key = contract.primaryKey.join(', ')
  const found: QualityResult[] = []
  if (conflictCount > 0) {
    const taken = duplicates === 'fill' ? 'the later value is' : 'the later row is'
    const decides = newestBy.length === 0 ? '' : `, as new by ${newestBy.join(', ')}`
    const detail =
      `expected rows with one key (${key}) to have the same values${decides}, got ${conflictCount} of ${duplicateCount} duplicates with others in ${columns.join(', ')} ` +
      `(${places.join(', ')}, …); ${taken} taken: say with \`newestBy\` which is newer, or correct the source`
    found.push({ rule: 'conflicting_duplicates', severity: 'warn', checked, failed: conflictCount, detail })
  }
  if (lookAlikeCount > 0) {
    const detail = `${lookAlikeCount} ${lookAlikeCount === 1 ? 'key' : 'keys'} (${key}) occur in several spellings that differ only in blanks or case; each is a row of its own`
    found.push({ rule: 'similar_keys', severity: 'warn', checked, failed: lookAlikeCount, detail })
  }
  return found.map((result) => ({ ...result, detail: (result.detail ?? '').slice(0, DETAIL_LENGTH) }))
}

/** Characters. Details travel in events. */
const DETAIL_LENGTH = 1000
