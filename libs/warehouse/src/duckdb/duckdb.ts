import { ConfigError } from '@cinelake/core'
import { descriptionsOf, inOrder, RECORDS, translated, warehouseOf, type DescribedRow } from '../adapter.ts'
import { placeOf, qualifiedName, type Warehouse, type WarehouseOptions, type WarehouseSettings } from '../warehouse.ts'
import { loadError } from './errors.ts'
import { createDuckDbFile } from './file.ts'
import { changeTable, DESCRIBE, look, records, replaceTable, rowsOf, SET_UP } from './load.ts'
import { queryReadOnly, readAll, schemasOf } from './query.ts'

/**
 * The warehouse in a DuckDB file, for analysts on one machine. @throws {ConfigError} terminal: no file is named
 * @throws {WarehouseFileInUseError} transient @throws {WAREHOUSE_FILE_INVALID} terminal
 */
export async function openDuckDbWarehouse(
  path: string,
  { isReadOnly = false, ...limits }: WarehouseOptions & Pick<WarehouseSettings, 'memoryMib'> = {},
): Promise<Warehouse> {
  if (path === '') throw new ConfigError('CINELAKE_WAREHOUSE cannot be used', ['expected duckdb:FILE, got no file'])
  const file = createDuckDbFile(path, { isReadOnly, ...limits })
  const loading = { file, exclusive: oneAtATime() }
  const { location } = file
  await translated(
    (error) => loadError(error, { table: RECORDS, location }),
    async () =>
      // A read-only warehouse creates nothing, but reports a missing file.
      file.use(async (connection) => void (await connection.run(isReadOnly ? 'SELECT 1' : SET_UP))),
  )
  return warehouseOf({
    location,
    loadError,
    loaded: async (table) => (await file.use(async (connection) => await look(connection, table))).now,
    replace: async (table, rows, options) => await replaceTable(loading, table, rows, options),
    applyChanges: async (table, changes, options) => await changeTable(loading, table, changes, options),
    query: async (sql, options) => await queryReadOnly(file, sql, options),
    readAll: async (sql, take, options) => await readAll(file, sql, take, options),
    records: async () =>
      (await file.use(records)).map(({ name, task, version, row_count, loaded_at }) => ({
        record: name,
        task,
        version: Number(version),
        rowCount: Number(row_count),
        loadedAt: loaded_at,
      })),
    describe: async () =>
      await file.use(async (connection) => {
        // By the shapes that tables were loaded with: the tables themselves have no keys.
        const keys = new Map(
          (await records(connection)).map(({ name, shape }) => {
            const [, key] = JSON.parse(shape) as [unknown, string[]]
            return [qualifiedName(placeOf(name)), key]
          }),
        )
        const schemas = await schemasOf(connection)
        const all = await rowsOf<Omit<DescribedRow, 'is_key'>>(connection, DESCRIBE)
        const rows = all
          .filter(({ schema }) => schemas.includes(schema))
          .map((row) => {
            const key = keys.get(qualifiedName({ schema: row.schema, name: row.table }))
            return { ...row, is_key: key?.includes(row.column) === true }
          })
        return inOrder(descriptionsOf(rows))
      }),
  })
}

/** Within this process: no other has the file meanwhile. */
function oneAtATime() {
  const last = new Map<string, Promise<unknown>>()
  return async <Result>(key: string, work: () => Promise<Result>): Promise<Result> => {
    const before = last.get(key)
    const mine = (async () => {
      await before
      return await work()
    })()
    const over = mine.catch(() => {})
    last.set(key, over)
    try {
      return await mine
    } finally {
      if (last.get(key) === over) last.delete(key)
    }
  }
}
