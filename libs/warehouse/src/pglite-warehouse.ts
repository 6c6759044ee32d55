import type { Transaction } from '@electric-sql/pglite'
import { CancelledError } from '@cinelake/core'
import { randomUUID } from 'node:crypto'
import { WarehouseRefusedError, WarehouseUnavailableError } from './errors.ts'
import type { PgliteDatabase } from './pglite-database.ts'
import { queryReadOnly } from './pglite-query.ts'
import { createCopyWriter } from './postgres-copy.ts'
import { loadError } from './postgres-errors.ts'
import * as postgres from './postgres-sql.ts'
import {
  shapeOf,
  type LoadedTable,
  type LoadOptions,
  type LoadOutcome,
  type Warehouse,
  type WarehouseColumn,
  type WarehouseRows,
  type WarehouseTable,
} from './warehouse.ts'

/** Characters of COPY text that are sent at once. One COPY blocks the process for about 10 ms. */
const COPY_CHARACTERS = 1_000_000

type Connection = Pick<PgliteDatabase<unknown>, 'pglite' | 'location'>

/**
 * The embedded warehouse. Rows are first copied into a table of their own, in pieces, so that others can use the
 * database meanwhile; then one short transaction puts them in place.
 *
 * The database stays the caller's: disposing the warehouse does not close it.
 */
export async function createPgliteWarehouse(database: Connection): Promise<Warehouse> {
  const { pglite, location } = database
  await pglite.exec(postgres.SET_UP)
  // One process has the database: whatever is there half-filled belongs to one that was killed.
  const left = await pglite.query<{ name: string }>(postgres.STAGING_TABLES)
  for (const { name } of left.rows) await pglite.exec(postgres.dropStaging(name))

  return {
    location,
    loaded: async (table) => await loaded(pglite, table),
    replace: async (table, rows, options) =>
      await translated(database, table, async () => await replace(database, table, rows, options)),
    applyChanges: async (table, changes, options) =>
      await translated(database, table, async () => await applyChanges(database, table, changes, options)),
    query: async (sql, options) => await queryReadOnly(database, sql, options),
    async tables() {
      const { rows } = await pglite.query<Awaited<ReturnType<Warehouse['tables']>>[number]>(postgres.LOADED_TABLES)
      return rows
    },
    async [Symbol.asyncDispose]() {},
  }
}

async function replace(
  { pglite, location }: Connection,
  table: WarehouseTable,
  rows: WarehouseRows,
  options: LoadOptions,
): Promise<LoadOutcome> {
  const before = await loaded(pglite, table.name)
  const done = alreadyLoaded(before, table, options)
  if (done !== undefined) return done
  const basedOn = options.basedOn ?? versionOf(before)
  requireBase(location, table, basedOn, before)
  await using staging = await fillStaging(pglite, table, table.columns, rows, options)
  if (table.primaryKey.length > 0) await pglite.exec(postgres.addPrimaryKey(staging.name, table.primaryKey))
  const rowCount = await countRows(pglite, postgres.stagingTable(staging.name))
  requireCount(table, options.rowCount ?? staging.sent, rowCount)
  stopWhenAborted(table, options)
  return await pglite.transaction(async (tx) => {
    const now = await loaded(tx, table.name)
    const done = alreadyLoaded(now, table, options)
    if (done !== undefined) return done
    requireBase(location, table, basedOn, now)
    for (const statement of postgres.swap(staging.name, table.name)) await tx.exec(statement)
    await renamePrimaryKey(tx, table.name)
    await describeAndRecord(tx, table, options, rowCount)
    return { outcome: 'replaced', rowCount, sentRowCount: staging.sent }
  })
}

async function applyChanges(
  { pglite }: Connection,
  table: WarehouseTable,
  changes: Parameters<Warehouse['applyChanges']>[1],
  options: LoadOptions,
): Promise<LoadOutcome | 'stale'> {
  const before = await loaded(pglite, table.name)
  const done = alreadyLoaded(before, table, options)
  if (done !== undefined) return done
  if (!isBase(before, table, changes.since) || table.primaryKey.length === 0) return 'stale'
  const key = table.columns.filter(({ name }) => table.primaryKey.includes(name))
  await using deletes = await fillStaging(pglite, table, key, changes.deletes, options)
  await using upserts = await fillStaging(pglite, table, table.columns, changes.upserts, options)
  await pglite.exec(postgres.addPrimaryKey(upserts.name, table.primaryKey))
  stopWhenAborted(table, options)
  const outcome = await pglite.transaction(async (tx): Promise<LoadOutcome | 'stale'> => {
    if (!isBase(await loaded(tx, table.name), table, changes.since)) return 'stale'
    await tx.exec(postgres.deleteStaged(deletes.name, table))
    await tx.exec(postgres.mergeStaged(upserts.name, table))
    const rowCount = await countRows(tx, postgres.martTable(table.name))
    if (rowCount !== (options.rowCount ?? rowCount)) {
      await tx.rollback()
      return 'stale'
    }
    await describeAndRecord(tx, table, options, rowCount)
    return { outcome: 'changed', rowCount, sentRowCount: deletes.sent + upserts.sent }
  })
  // The embedded database has no background process that would clear away the old rows.
  if (outcome !== 'stale') await pglite.exec(`VACUUM ${postgres.martTable(table.name)}`)
  return outcome
}

type Staging = AsyncDisposable & { readonly name: string; readonly sent: number }

async function fillStaging(
  pglite: Connection['pglite'],
  table: WarehouseTable,
  columns: readonly WarehouseColumn[],
  rows: WarehouseRows,
  options: LoadOptions,
): Promise<Staging> {
  const name = `staging_${randomUUID().replaceAll('-', '')}`
  await using dropping = new AsyncDisposableStack()
  await pglite.exec(postgres.createTable(name, table, columns))
  dropping.defer(async () => {
    await pglite.exec(postgres.dropStaging(name))
  })
  const copy = postgres.copyInto(
    name,
    columns.map((column) => column.name),
    `'/dev/blob'`,
  )
  const toLines = createCopyWriter(table.name, columns)
  const send = async (lines: string) => {
    stopWhenAborted(table, options)
    if (lines !== '') await pglite.query(copy, [], { blob: new Blob([lines]) })
  }
  let sent = 0
  let pending = ''
  for await (const batch of rows) {
    pending += toLines(batch)
    sent += batch.length
    if (pending.length < COPY_CHARACTERS) continue
    await send(pending)
    pending = ''
  }
  await send(pending)
  const owned = dropping.move()
  return { name, sent, [Symbol.asyncDispose]: async () => await owned.disposeAsync() }
}

type Queries = Pick<Transaction, 'query'>

async function loaded(queries: Queries, table: string): Promise<LoadedTable | undefined> {
  const { rows } = await queries.query<LoadedTable>(postgres.LOADED, [table])
  return rows[0]
}

function alreadyLoaded(
  now: LoadedTable | undefined,
  table: WarehouseTable,
  options: LoadOptions,
): LoadOutcome | undefined {
  if (now === undefined || now.version !== options.version || now.shape !== shapeOf(table)) return undefined
  // Another number of rows under the same version is another table of that name: the lake was begun anew.
  if (now.rowCount !== (options.rowCount ?? now.rowCount)) return undefined
  return { outcome: 'already-loaded', rowCount: now.rowCount, sentRowCount: 0 }
}

/** As `LoadOptions.basedOn` says it. */
function versionOf(now: LoadedTable | undefined): number {
  return now?.version ?? -1
}

/** A load that was decided on another version might take a later one back. */
function requireBase(location: string, table: WarehouseTable, basedOn: number, now: LoadedTable | undefined): void {
  if (versionOf(now) === basedOn) return
  throw new WarehouseUnavailableError(location, `another load of ${table.name} was faster [version=${now?.version}]`)
}

function isBase(now: LoadedTable | undefined, table: WarehouseTable, since: number): boolean {
  return now !== undefined && now.version === since && now.shape === shapeOf(table)
}

async function countRows(queries: Queries, table: string): Promise<number> {
  const { rows } = await queries.query<{ count: number }>(postgres.countRows(table))
  return rows[0]?.count ?? 0
}

async function renamePrimaryKey(tx: Transaction, table: string): Promise<void> {
  const { rows } = await tx.query<{ name: string }>(postgres.PRIMARY_KEY_NAME, [postgres.martTable(table)])
  for (const { name } of rows) await tx.exec(postgres.renamePrimaryKey(table, name))
}

async function describeAndRecord(tx: Transaction, table: WarehouseTable, options: LoadOptions, rowCount: number) {
  for (const comment of postgres.comments(postgres.martTable(table.name), table)) await tx.exec(comment)
  await tx.query(postgres.RECORD_LOADED, [table.name, options.version, shapeOf(table), options.task, rowCount])
}

function requireCount(table: WarehouseTable, expected: number, actual: number): void {
  if (actual === expected) return
  throw new WarehouseRefusedError(
    table.name,
    `expected ${expected} rows, got ${actual}`,
    'run the task again; if it stays so, the refined table and its log differ',
    { expected, actual },
  )
}

function stopWhenAborted(table: WarehouseTable, { signal }: LoadOptions): void {
  if (signal?.aborted === true) throw new CancelledError(`the load of ${table.name}`, { cause: signal.reason })
}

async function translated<Result>(
  { location }: Connection,
  table: WarehouseTable,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    throw loadError(error, { table: table.name, location })
  }
}
