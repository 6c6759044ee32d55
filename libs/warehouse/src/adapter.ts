import { CancelledError } from '@cinelake/core'
import {
  MART,
  pipelineOf,
  placeOf,
  type ListedTable,
  type LoadedTable,
  type MartDescription,
  type TablePlace,
  type Warehouse,
} from './warehouse.ts'

/** The bookkeeping of a loaded table; `record` as `recordName`. */
export type LoadedRecord = Pick<ListedTable, 'rowCount' | 'version' | 'loadedAt'> & {
  readonly record: string
  readonly task: string
}

type About = { readonly table: string; readonly location: string }

/** An adapter whose loads and look-ups throw the database's own errors. */
export type WarehouseAdapter = Pick<
  Warehouse,
  'location' | 'loaded' | 'replace' | 'applyChanges' | 'query' | 'readAll' | 'describe'
> & {
  /** @returns the port's error, without values of rows; what was thrown when it is not the database's */
  readonly loadError: (thrown: unknown, about: About) => unknown
  /** Where nothing was set up: none. */
  records(): Promise<readonly LoadedRecord[]>
}

/** The port over an adapter. Disposing it does not close the database. */
export function warehouseOf(adapter: WarehouseAdapter): Warehouse {
  const { location, loadError } = adapter
  const loading = async <Result>(table: string, signal: AbortSignal | undefined, work: () => Promise<Result>) =>
    await translated((error) => {
      // After a cancellation, other errors are its consequence.
      if (signal?.aborted === true) return new CancelledError(`the load of ${table}`, { cause: signal.reason })
      return loadError(error, { table, location })
    }, work)
  const lookingUp = async <Result>(table: string, work: () => Promise<Result>) =>
    await translated((error) => loadError(error, { table, location }), work)
  const records = async () => await lookingUp(RECORDS, async () => await adapter.records())
  return {
    location,
    loaded: async (table) => await lookingUp(table.name, async () => await adapter.loaded(table)),
    replace: async (table, rows, options) =>
      await loading(table.name, options.signal, async () => await adapter.replace(table, rows, options)),
    applyChanges: async (table, changes, options) =>
      await loading(table.name, options.signal, async () => await adapter.applyChanges(table, changes, options)),
    query: async (sql, options) => await adapter.query(sql, options),
    readAll: async (sql, take, options) => await adapter.readAll(sql, take, options),
    tables: async () => listed(await records()),
    schemas: async () => martFirst((await records()).map(({ record }) => placeOf(record).schema)),
    describe: async () => await lookingUp('the tables of the mart', async () => await adapter.describe()),
    async [Symbol.asyncDispose]() {},
  }
}

/** The table of the bookkeeping, for messages. */
export const RECORDS = 'loader.loaded_tables'

export async function translated<Result>(
  translate: (error: unknown) => unknown,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    throw translate(error)
  }
}

export function loadedTable({
  task,
  ...facts
}: Omit<LoadedTable, 'pipeline'> & { readonly task: string }): LoadedTable {
  const pipeline = pipelineOf(task)
  return { ...facts, ...(pipeline === undefined ? {} : { pipeline }) }
}

function listed(rows: readonly LoadedRecord[]): ListedTable[] {
  const tables = rows.map(({ record, task, rowCount, version, loadedAt }) => {
    const pipeline = pipelineOf(task)
    return { ...placeOf(record), ...(pipeline === undefined ? {} : { pipeline }), rowCount, version, loadedAt }
  })
  return inOrder(tables)
}

/** By schema as `schemas()` has them, and by name. */
export function inOrder<Table extends Required<TablePlace>>(tables: readonly Table[]): Table[] {
  const order = martFirst(tables.map(({ schema }) => schema))
  return tables.toSorted(
    (one, other) => order.indexOf(one.schema) - order.indexOf(other.schema) || (one.name < other.name ? -1 : 1),
  )
}

export function martFirst(schemas: Iterable<string>): string[] {
  const sorted = [...new Set(schemas)].sort()
  return sorted.includes(MART) ? [MART, ...sorted.filter((schema) => schema !== MART)] : sorted
}

/** A column of the mart as the catalogues of both databases are asked for it; ordered by table, then place. */
export type DescribedRow = {
  readonly schema: string
  readonly table: string
  readonly about: string | null
  readonly column: string
  readonly type: string
  readonly required: boolean
  readonly is_key: boolean
  readonly comment: string | null
}

export function descriptionsOf(rows: readonly DescribedRow[]): MartDescription[] {
  const tables = Map.groupBy(rows, ({ schema, table }) => JSON.stringify([schema, table]))
  return [...tables.values()].flatMap((columns) => {
    const [first] = columns
    if (first === undefined) return []
    return [
      {
        schema: first.schema,
        name: first.table,
        description: orNone(first.about),
        columns: columns.map(({ column, type, required, is_key: isKey, comment }) => ({
          name: column,
          type,
          required,
          isKey,
          description: orNone(comment),
        })),
      },
    ]
  })
}

function orNone(text: string | null): string | undefined {
  return text === null || text === '' ? undefined : text
}

/** JSON with whole numbers of any size; bytes become hex, numbers that JSON has no word for become null. */
export function toJson(value: unknown): string {
  if (value === null || value === undefined) return 'null'
  if (typeof value === 'bigint') return String(value)
  if (value instanceof Uint8Array) return JSON.stringify(Buffer.from(value).toString('hex'))
  if (Array.isArray(value)) return `[${value.map(toJson).join(',')}]`
  if (typeof value === 'object') {
    return `{${Object.entries(value)
      .map(([key, item]) => `${JSON.stringify(key)}:${toJson(item)}`)
      .join(',')}}`
  }
  // JSON has no such numbers, and would have null for them: as text, as PostgreSQL's own `to_json` writes them.
  if (typeof value === 'number' && !Number.isFinite(value)) return JSON.stringify(String(value))
  return JSON.stringify(value) ?? 'null'
}

/** Whether values of a type, in the vocabulary of contracts, are lists or objects. */
export function isJsonType(type: string): boolean {
  return /(\[\d*\]|^(STRUCT|MAP|UNION)\(.*\)|^JSON)$/.test(type.trim().toUpperCase())
}
