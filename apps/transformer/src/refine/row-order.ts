import { identifier, identifiers } from '@cinelake/sql'
import { WINDOW_COLUMN as WINDOW, type CheckedDataset } from '@cinelake/pipeline'
import { FILE, ORDINAL } from './stage-sql.ts'

// Which row of a key wins, in two forms: among many rows that landed together, and between a new row and an existing
// one.

type Keyed = Pick<CheckedDataset, 'contract' | 'newestBy' | 'duplicates'>

/** The start of the window in which a row landed, as named in SQL. */
export const WINDOW_COLUMN = identifier(WINDOW.name)

/**
 * The columns that decide which row is newer, the most significant first; NULL is oldest. With all else equal, the row
 * that landed later wins.
 */
const WITHIN_LANDING = [FILE, ORDINAL]
const BETWEEN_LANDINGS = [WINDOW_COLUMN]

/** The columns that identify a row: the primary key, or all of them where there is none. */
export function keyOf({ contract }: Keyed): string {
  return identifiers(contract.primaryKey.length > 0 ? contract.primaryKey : contract.columns.map(({ name }) => name))
}

/**
 * One row of each key: the newest, or the newest with its missing values filled from earlier ones.
 * @param rows a FROM clause of staged rows, and the clauses after it
 */
export function winningRows(dataset: Keyed, rows: string): string {
  const { contract, newestBy, duplicates } = dataset
  const names = contract.columns.map(({ name }) => name)
  const winnerFirst = [
    ...newestBy.map((name) => `${identifier(name)} DESC NULLS LAST`),
    ...WITHIN_LANDING.map((column) => `${column} DESC`),
  ].join(', ')
  if (duplicates === 'newest' || contract.primaryKey.length === 0) {
    return `SELECT ${identifiers(names)} ${rows} QUALIFY row_number() OVER (PARTITION BY ${keyOf(dataset)} ORDER BY ${winnerFirst}) = 1 ORDER BY ${WITHIN_LANDING.join(', ')}`
  }
  const columns = names.map((name) => {
    if (contract.primaryKey.includes(name)) return identifier(name)
    return `first(${identifier(name)} ORDER BY ${winnerFirst}) FILTER (WHERE ${identifier(name)} IS NOT NULL) AS ${identifier(name)}`
  })
  return `SELECT ${columns.join(', ')} ${rows} GROUP BY ${keyOf(dataset)} ORDER BY ${keyOf(dataset)}`
}

type Resolution = { readonly when?: string; readonly columns?: Readonly<Record<string, string>> }

/**
 * The result for an existing row (`old`) when another of its key lands (`new`): the newer one wins, in whatever order
 * they land, so that windows may be refined in any order. With `fill` the winner's missing values are taken from the
 * other.
 * @param kept columns that the new rows say nothing of
 */
export function mergeResolution({ contract, newestBy, duplicates }: Keyed, kept: readonly string[]): Resolution {
  const wins = isNewer([...newestBy.map(identifier), ...BETWEEN_LANDINGS])
  if (duplicates === 'newest')
    return { when: wins, columns: Object.fromEntries(kept.map((name) => [name, `old.${identifier(name)}`])) }
  const filled = contract.columns.map(({ name }) => {
    const [before, after] = [`old.${identifier(name)}`, `new.${identifier(name)}`]
    return [
      name,
      `CASE WHEN ${wins} THEN coalesce(${after}, ${before}) ELSE coalesce(${before}, ${after}) END`,
    ] as const
  })
  const window = `CASE WHEN ${wins} THEN new.${WINDOW_COLUMN} ELSE old.${WINDOW_COLUMN} END`
  return { columns: { ...Object.fromEntries(filled), [WINDOW.name]: window } }
}

/** Whether the new row is at least as new as the old one, by the first column in which they differ. */
function isNewer([column, ...rest]: readonly string[]): string {
  if (column === undefined) return 'true'
  const [before, after] = [`old.${column}`, `new.${column}`]
  return `CASE WHEN ${after} IS NOT DISTINCT FROM ${before} THEN ${isNewer(rest)} ELSE coalesce(${after} > ${before}, ${before} IS NULL) END`
}
