import { identifier, identifiers, literal } from '@cinelake/sql'
import type { DuckDBConnection } from '@duckdb/node-api'
import { randomUUID } from 'node:crypto'
import { loadedTable } from '../adapter.ts'
import { ROW_PROBLEM, WarehouseRefusedError } from '../errors.ts'
import {
  alreadyLoaded,
  isBase,
  requireBase,
  requireCount,
  requireFree,
  stopWhenAborted,
  versionOf,
} from '../load-decision.ts'
import {
  recordName,
  schemaOf,
  shapeOf,
  type LoadedTable,
  type LoadOptions,
  type LoadOutcome,
  type TablePlace,
  type Warehouse,
  type WarehouseRows,
  type WarehouseTable,
} from '../warehouse.ts'
import { CATALOG, type DuckDbFile } from './file.ts'
import { definitions, insertRows } from './rows.ts'

export type Loading = {
  readonly file: DuckDbFile
  /** Runs work of one key at a time. */
  readonly exclusive: <Result>(key: string, work: () => Promise<Result>) => Promise<Result>
}

/** One transaction: readers see the old table until its commit, and an aborted load leaves nothing behind. */
export async function replaceTable(
  loading: Loading,
  table: WarehouseTable,
  rows: WarehouseRows,
  options: LoadOptions,
): Promise<LoadOutcome> {
  const { location } = loading.file
  return await load(loading, table, options, async (connection, before) => {
    const basedOn = options.basedOn ?? versionOf(before)
    requireBase(location, table, basedOn, before)
    // In the table's own schema, since DuckDB cannot move a table to another; it is invisible before the commit.
    const staging = { schema: schemaOf(table), name: `staging_${randomUUID().replaceAll('-', '')}` }
    const sql = martTable(staging)
    await connection.run(`CREATE TABLE ${sql} (${definitions(table, table.columns)})`)
    const { sent, rowCount } = await insertRows(connection, { sql, table, columns: table.columns }, rows, options)
    requireCount(table, options.rowCount ?? sent, rowCount)
    await requireKey(connection, sql, table)
    await connection.run(comments(sql, table))
    stopWhenAborted(table, options)
    return await publish(loading, table, options, async (now) => {
      const done = alreadyLoaded(now, table, options)
      if (done !== undefined) return done
      requireBase(location, table, basedOn, now)
      await connection.run(`DROP TABLE IF EXISTS ${martTable(table)}`)
      await connection.run(`ALTER TABLE ${sql} RENAME TO ${identifier(table.name)}`)
      await record(connection, table, options, rowCount)
      await connection.run('COMMIT')
      return { outcome: 'replaced', rowCount, sentRowCount: sent }
    })
  })
}

export async function changeTable(
  loading: Loading,
  table: WarehouseTable,
  changes: Parameters<Warehouse['applyChanges']>[1],
  options: LoadOptions,
): Promise<LoadOutcome | 'stale'> {
  return await load(loading, table, options, async (connection, before) => {
    if (!isBase(before, table, changes.since, options) || table.primaryKey.length === 0) return 'stale'
    const key = table.columns.filter(({ name }) => table.primaryKey.includes(name))
    const [gone, came] = ['temp.cinelake_deletes', 'temp.cinelake_upserts']
    await connection.run(`CREATE TEMP TABLE cinelake_deletes (${definitions(table, key)})`)
    await connection.run(`CREATE TEMP TABLE cinelake_upserts (${definitions(table, table.columns)})`)
    const deletes = await insertRows(connection, { sql: gone, table, columns: key }, changes.deletes, options)
    const upserts = await insertRows(connection, { sql: came, table, columns: table.columns }, changes.upserts, options)
    await requireKey(connection, came, table)
    stopWhenAborted(table, options)
    return await publish(loading, table, options, async (now): Promise<LoadOutcome | 'stale'> => {
      if (!isBase(now, table, changes.since, options)) return 'stale'
      const target = martTable(table)
      const names = identifiers(table.columns.map(({ name }) => name))
      await connection.run(deleteByKey(target, gone, table.primaryKey))
      await connection.run(deleteByKey(target, came, table.primaryKey))
      await connection.run(`INSERT INTO ${target} (${names}) SELECT ${names} FROM ${came}`)
      const [counted] = await rowsOf<{ count: bigint }>(connection, `SELECT count(*) AS count FROM ${target}`)
      const rowCount = Number(counted?.count ?? 0)
      // Nothing is committed: the end of the connection takes all of it back.
      if (rowCount !== (options.rowCount ?? rowCount)) return 'stale'
      await record(connection, table, options, rowCount)
      await connection.run('COMMIT')
      return { outcome: 'changed', rowCount, sentRowCount: deletes.sent + upserts.sent }
    })
  })
}

/** Of two loads of one version at once the second waits, and then finds everything done. */
async function load<Outcome>(
  { file, exclusive }: Loading,
  table: WarehouseTable,
  options: LoadOptions,
  work: (connection: DuckDBConnection, before: LoadedTable | undefined) => Promise<Outcome>,
): Promise<Outcome | LoadOutcome> {
  return await file.use(
    async (connection) =>
      await exclusive(`load ${recordName(table)}@${options.version}`, async () => {
        const found = await look(connection, table)
        requireFree(table, options, found)
        const done = alreadyLoaded(found.now, table, options)
        if (done !== undefined) return done
        await exclusive('schemas', async () => {
          await connection.run(`CREATE SCHEMA IF NOT EXISTS ${CATALOG}.${identifier(schemaOf(table))}`)
        })
        await connection.run('BEGIN')
        return await work(connection, found.now)
      }),
    options.signal,
  )
}

/** One load at a time decides how a table is changed, by the state committed now. */
async function publish<Outcome>(
  { file, exclusive }: Loading,
  table: WarehouseTable,
  options: LoadOptions,
  work: (now: LoadedTable | undefined) => Promise<Outcome>,
): Promise<Outcome> {
  return await exclusive(`publish ${recordName(table)}`, async () => {
    const found = await file.use(async (connection) => await look(connection, table))
    requireFree(table, options, found)
    return await work(found.now)
  })
}

export type RecordRow = {
  readonly name: string
  readonly version: bigint
  readonly shape: string
  readonly task: string
  readonly row_count: bigint
  readonly table_id: string | null
  readonly loaded_at: string
}

export async function look(
  connection: DuckDBConnection,
  table: TablePlace,
): Promise<{ readonly exists: boolean; readonly now: LoadedTable | undefined }> {
  const [there] = await rowsOf<{ has: boolean }>(connection, EXISTS, [schemaOf(table), table.name])
  const exists = there?.has === true
  const [found] = (await records(connection)).filter(({ name }) => name === recordName(table))
  if (!exists || found === undefined) return { exists, now: undefined }
  const { version, shape, row_count: rowCount, table_id: tableId, task } = found
  return {
    exists,
    now: loadedTable({ version: Number(version), shape, rowCount: Number(rowCount), tableId, task }),
  }
}

export async function records(connection: DuckDBConnection): Promise<RecordRow[]> {
  const [there] = await rowsOf<{ has: boolean }>(connection, HAS_RECORDS)
  return there?.has === true ? await rowsOf<RecordRow>(connection, RECORDS) : []
}

async function record(connection: DuckDBConnection, table: WarehouseTable, options: LoadOptions, rowCount: number) {
  const { version, task, tableId = null } = options
  await connection.run(`DELETE FROM ${LOADED} WHERE name = $1`, [recordName(table)])
  await connection.run(`INSERT INTO ${LOADED} VALUES ($1, $2, $3, $4, $5, $6, now())`, [
    recordName(table),
    BigInt(version),
    shapeOf(table),
    task,
    BigInt(rowCount),
    tableId,
  ])
}

async function requireKey(
  connection: DuckDBConnection,
  sql: string,
  { name, primaryKey }: WarehouseTable,
): Promise<void> {
  if (primaryKey.length === 0 || (await rowsOf(connection, repeatedKey(sql, primaryKey))).length === 0) return
  const { problem, remedy } = ROW_PROBLEM.repeatedKey
  throw new WarehouseRefusedError(name, problem, remedy)
}

/** Few rows, with the values as DuckDB's client has them. */
export async function rowsOf<Row>(
  connection: DuckDBConnection,
  sql: string,
  values: readonly string[] = [],
): Promise<Row[]> {
  return (await connection.runAndReadAll(sql, [...values])).getRowObjects() as Row[]
}

function martTable(table: TablePlace): string {
  return `${CATALOG}.${identifier(schemaOf(table))}.${identifier(table.name)}`
}

const LOADED = `${CATALOG}.loader.loaded_tables`

export const SET_UP = `
  CREATE SCHEMA IF NOT EXISTS ${CATALOG}.mart;
  CREATE SCHEMA IF NOT EXISTS ${CATALOG}.loader;
  CREATE TABLE IF NOT EXISTS ${LOADED} (
    name VARCHAR NOT NULL, version BIGINT NOT NULL, shape VARCHAR NOT NULL, task VARCHAR NOT NULL,
    row_count BIGINT NOT NULL, table_id VARCHAR, loaded_at TIMESTAMP WITH TIME ZONE NOT NULL
  )`

const HAS_RECORDS = `
  SELECT count(*) > 0 AS has FROM duckdb_tables()
  WHERE database_name = current_database() AND schema_name = 'loader' AND table_name = 'loaded_tables'`

const RECORDS = `
  SELECT name, version, shape, task, row_count, table_id,
    strftime(loaded_at AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%gZ') AS loaded_at
  FROM ${LOADED}`

/** Of a schema and a name. */
const EXISTS = `
  SELECT count(*) > 0 AS has FROM information_schema.tables
  WHERE table_catalog = current_database() AND table_schema = $1 AND table_name = $2`

export const DESCRIBE = `
  SELECT c.schema_name AS schema, c.table_name AS table, coalesce(t.comment, v.comment) AS about, c.column_name AS column,
    c.data_type AS type, NOT c.is_nullable AS required, c.comment AS comment
  FROM duckdb_columns() AS c
  LEFT JOIN duckdb_tables() AS t USING (database_name, schema_name, table_name)
  LEFT JOIN duckdb_views() AS v ON v.database_name = c.database_name AND v.schema_name = c.schema_name AND v.view_name = c.table_name
  WHERE c.database_name = current_database()
  ORDER BY c.schema_name, c.table_name, c.column_index`

function comments(target: string, { columns, description = '' }: WarehouseTable): string {
  return [
    `COMMENT ON TABLE ${target} IS ${literal(description)}`,
    ...columns.map(
      ({ name, description: about = '' }) => `COMMENT ON COLUMN ${target}.${identifier(name)} IS ${literal(about)}`,
    ),
  ].join(';\n')
}

/** One row where a key is there more than once. */
function repeatedKey(target: string, key: readonly string[]): string {
  return `SELECT 1 AS repeated FROM ${target} GROUP BY ${identifiers(key)} HAVING count(*) > 1 LIMIT 1`
}

/** Deletes rows of a table that have the key of a row in another. */
function deleteByKey(target: string, other: string, key: readonly string[]): string {
  const isSame = key.map((name) => `other.${identifier(name)} = target.${identifier(name)}`).join(' AND ')
  return `DELETE FROM ${target} AS target WHERE EXISTS (SELECT 1 FROM ${other} AS other WHERE ${isSame})`
}

export function searchPath(schemas: readonly string[]): string {
  return `SET search_path = ${literal(schemas.map((schema) => `${CATALOG}.${identifier(schema)}`).join(','))}`
}
