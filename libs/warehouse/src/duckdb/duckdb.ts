import { CancelledError, ConfigError } from '@cinelake/core'
import { descriptionsOf, type DescribedRow } from '../mart-descriptions.ts'
import {
  inOrder,
  listed,
  martFirst,
  placeOf,
  qualifiedName,
  type TablePlace,
  type Warehouse,
  type WarehouseOptions,
} from '../warehouse.ts'
import { loadError } from './errors.ts'
import { createDuckDbFile } from './file.ts'
import { changeTable, look, records, replaceTable, rowsOf } from './load.ts'
import { queryReadOnly, readAll, schemasOf } from './query.ts'
import { DESCRIBE, SET_UP } from './sql.ts'

/**
 * The warehouse in a DuckDB file, for analysts on one machine. The file is open only during a load or a query.
 * @throws {ConfigError} terminal: no file is named
 * @throws {WarehouseFileInUseError} transient @throws {WAREHOUSE_FILE_INVALID} terminal
 */
export async function openDuckDbWarehouse(
  path: string,
  { isReadOnly = false }: WarehouseOptions = {},
): Promise<Warehouse> {
  if (path === '') throw new ConfigError('CINELAKE_WAREHOUSE cannot be used', ['expected duckdb:FILE, got no file'])
  const file = createDuckDbFile(path, { isReadOnly })
  const loading = { file, exclusive: oneAtATime() }
  const { location } = file
  const translated = async <Result>(
    { name, signal }: { readonly name: string; readonly signal?: AbortSignal | undefined },
    work: () => Promise<Result>,
  ): Promise<Result> => {
    try {
      return await work()
    } catch (error) {
      if (signal?.aborted === true) throw new CancelledError(`the load of ${name}`, { cause: signal.reason })
      throw loadError(error, { table: name, location })
    }
  }
  const allRecords = async () => await translated({ name: 'loader.loaded_tables' }, async () => await file.use(records))
  await translated({ name: 'loader.loaded_tables' }, async () =>
    // A read-only warehouse creates nothing, but reports a missing file.
    file.use(async (connection) => void (await connection.run(isReadOnly ? 'SELECT 1' : SET_UP))),
  )
  return {
    location,
    loaded: async (table) =>
      await translated(table, async () => (await file.use(async (connection) => await look(connection, table))).now),
    replace: async (table, rows, options) =>
      await translated({ name: table.name, signal: options.signal }, async () =>
        replaceTable(loading, table, rows, options),
      ),
    applyChanges: async (table, changes, options) =>
      await translated({ name: table.name, signal: options.signal }, async () =>
        changeTable(loading, table, changes, options),
      ),
    query: async (sql, options) => await queryReadOnly(file, sql, options),
    readAll: async (sql, take, options) => await readAll(file, sql, take, options),
    tables: async () =>
      listed(
        (await allRecords()).map(({ name, task, version, row_count, loaded_at }) => ({
          record: name,
          task,
          version: Number(version),
          rowCount: Number(row_count),
          loadedAt: loaded_at,
        })),
      ),
    schemas: async () => martFirst((await allRecords()).map(({ name }) => placeOf(name).schema)),
    describe: async () =>
      await translated({ name: 'the tables of the mart' }, async () => {
        const keys = keysOf(await allRecords())
        const rows = await file.use(async (connection) => {
          const schemas = await schemasOf(connection)
          const all = await rowsOf<Omit<DescribedRow, 'is_key'>>(connection, DESCRIBE)
          return all.filter(({ schema }) => schemas.includes(schema))
        })
        const isKey = ({ schema, table, column }: Omit<DescribedRow, 'is_key'>) =>
          keys.get(qualifiedName({ schema, name: table }))?.includes(column) === true
        return inOrder(descriptionsOf(rows.map((row) => ({ ...row, is_key: isKey(row) }))))
      }),
    async [Symbol.asyncDispose]() {},
  }
}

/** By the shapes that tables were loaded with: the tables themselves have no keys. */
function keysOf(loaded: readonly { readonly name: string; readonly shape: string }[]): Map<string, string[]> {
  return new Map(
    loaded.map(({ name, shape }) => {
      const [, key] = JSON.parse(shape) as [unknown, string[]]
      const place: TablePlace = placeOf(name)
      return [qualifiedName(place), key]
    }),
  )
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
