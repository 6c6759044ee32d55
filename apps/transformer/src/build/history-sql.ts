import { identifier, literal } from '@cinelake/sql'
import type { CheckedModel } from '@cinelake/pipeline'

/** The columns that a history table has after the model's own. */
const HISTORY_COLUMNS = ['valid_from', 'valid_to', 'is_current'] as const

export type HistoryTables = {
  /** The current table, with its columns; undefined when there is none. */
  readonly current: { readonly relation: string; readonly columns: readonly string[] } | undefined
  /** The state in the window: a query with one row per key. */
  readonly state: string
  /** Start of the window, a UTC instant. */
  readonly windowStart: string
}

/**
 * The whole history table after a window (slowly changing dimension, type 2): each row is a state of a key from
 * `valid_from` until before `valid_to`; the open row of a key is its current state.
 *
 * The effect of an earlier build of the same window is undone first, so that a window may be built again: its new rows
 * are removed, and the rows that it closed are reopened. A key that no longer exists is closed.
 */
export function historyQuery(model: CheckedModel, { current, state, windowStart }: HistoryTables): string {
  const start = `TIMESTAMPTZ ${literal(windowStart)}`
  const names = ownColumns(model).map(({ name }) => identifier(name))
  const list = (prefix: string) => names.map((name) => `${prefix}.${name}`).join(', ')
  const same = (columns: readonly string[]) =>
    columns.map((name) => `state.${name} IS NOT DISTINCT FROM old.${name}`).join(' AND ')
  const keys = model.key.map(identifier)
  const values = names.filter((name) => !keys.includes(name))
  const isSame = values.length === 0 ? 'true' : `(${same(values)})`
  return `WITH before_window AS (${beforeWindow(model, current, start)}),
    old AS (SELECT *, true AS is_there FROM before_window WHERE valid_to IS NULL),
    state AS (SELECT *, true AS is_there FROM (${state}\n) AS given),
    history AS (
      SELECT ${names.join(', ')}, valid_from, valid_to FROM before_window WHERE valid_to IS NOT NULL
      UNION ALL
      SELECT ${list('old')}, old.valid_from, CASE WHEN state.is_there AND ${isSame} THEN NULL ELSE ${start} END AS valid_to
      FROM old LEFT JOIN state ON ${same(keys)}
      UNION ALL
      SELECT ${list('state')}, ${start} AS valid_from, CAST(NULL AS TIMESTAMPTZ) AS valid_to
      FROM state LEFT JOIN old ON ${same(keys)}
      WHERE old.is_there IS NULL OR NOT ${isSame}
    )
    SELECT ${names.join(', ')}, valid_from, valid_to, valid_to IS NULL AS is_current FROM history`
}

/** The changes of a window to a history table that has the model's columns. */
export type HistoryChanges = {
  /** Rows that are new, or whose end changed: the whole row. No two of them have one `historyKey`. */
  readonly changed: string
  /**
   * The keys (`historyKey`) of rows that an earlier build of this window, or of a later one, made, and that no longer
   * hold.
   */
  readonly gone: string
}

/** The columns that identify a row of a history table. */
export function historyKey({ key }: Pick<CheckedModel, 'key'>): string[] {
  return [...key, 'valid_from']
}

/** Whether a build of this window, or of a later one, has made rows: at most one row. */
export function madeRowsQuery(current: string, windowStart: string): string {
  return `SELECT 1 AS made FROM ${current} AS history WHERE valid_from >= TIMESTAMPTZ ${literal(windowStart)} LIMIT 1`
}

/** The difference between the current table and the result of `historyQuery`, reading no more than its open rows. */
export function historyChanges(
  model: CheckedModel,
  { current, state, windowStart }: { readonly current: string } & Omit<HistoryTables, 'current'>,
): HistoryChanges {
  const start = `TIMESTAMPTZ ${literal(windowStart)}`
  const names = ownColumns(model).map(({ name }) => identifier(name))
  const list = (prefix: string) => names.map((name) => `${prefix}.${name}`).join(', ')
  const same = (one: string, other: string, columns: readonly string[]) =>
    columns.map((name) => `${one}.${name} IS NOT DISTINCT FROM ${other}.${name}`).join(' AND ')
  const keys = model.key.map(identifier)
  const isSame = `(${same('state', 'old', names)})`
  const tables = `WITH old AS (
      SELECT *, true AS is_there FROM ${current} AS history
      WHERE valid_from < ${start} AND (valid_to IS NULL OR valid_to >= ${start})
    ),
    made AS (SELECT * FROM ${current} AS history WHERE valid_from >= ${start}),
    state AS (SELECT *, true AS is_there FROM (${state}\n) AS given),
    fresh AS (
      SELECT ${list('state')}, ${start} AS valid_from FROM state LEFT JOIN old ON ${same('state', 'old', keys)}
      WHERE old.is_there IS NULL OR NOT ${isSame}
    )`
  const changed = `${tables},
    ended AS (
      SELECT ${list('old')}, old.valid_from, old.valid_to AS ended_before,
        CASE WHEN state.is_there AND ${isSame} THEN NULL ELSE ${start} END AS valid_to
      FROM old LEFT JOIN state ON ${same('state', 'old', keys)}
    )
    SELECT ${names.join(', ')}, valid_from, valid_to, valid_to IS NULL AS is_current
    FROM ended WHERE valid_to IS DISTINCT FROM ended_before
    UNION ALL
    SELECT ${names.join(', ')}, valid_from, CAST(NULL AS TIMESTAMPTZ) AS valid_to, true AS is_current
    FROM fresh ANTI JOIN made
      ON ${same('fresh', 'made', names)} AND made.valid_from = fresh.valid_from AND made.valid_to IS NULL`
  const gone = `${tables}
    SELECT ${keys.join(', ')}, valid_from
    FROM made ANTI JOIN fresh ON ${same('made', 'fresh', keys)} AND made.valid_from = fresh.valid_from`
  return { changed, gone }
}

/** The model's columns without those that history adds: the checked columns may name them. */
export function ownColumns({ columns }: CheckedModel): CheckedModel['columns'] {
  return columns.filter(({ name }) => !HISTORY_COLUMNS.some((added) => added === name))
}

function beforeWindow(model: CheckedModel, current: HistoryTables['current'], start: string): string {
  const columns = ownColumns(model).map(({ name, type }) => {
    const isThere = current?.columns.includes(name) ?? false
    // A column that the model did not have before has no earlier values.
    return `CAST(${isThere ? identifier(name) : 'NULL'} AS ${type}) AS ${identifier(name)}`
  })
  if (current === undefined) {
    const none = ['valid_from', 'valid_to'].map((name) => `CAST(NULL AS TIMESTAMPTZ) AS ${name}`)
    return `SELECT ${[...columns, ...none].join(', ')} WHERE false`
  }
  return `SELECT ${columns.join(', ')}, valid_from, CASE WHEN valid_to < ${start} THEN valid_to END AS valid_to
    FROM ${current.relation} AS history WHERE valid_from < ${start}`
}
