import { type MssqlPool, type MssqlSession, releaseLock, requireLock, tryLock } from '@cinelake/database/sql-server'
import { randomUUID } from 'node:crypto'
import { WarehouseRefusedError } from '../errors.ts'
import { stopWhenAborted } from '../load-decision.ts'
import type { LoadOptions, WarehouseColumn, WarehouseRow, WarehouseRows, WarehouseTable } from '../warehouse.ts'
import { type Complaint, cellType } from './cells.ts'
import type { TypedColumn } from './sql.ts'
import * as mssql from './sql.ts'

export type Staging = AsyncDisposable & {
  readonly name: string
  readonly sent: number
}

/** Held by a loader for as long as it lives: a staging table without it belongs to one that was killed. */
const lockOf = (staging: string) => `cinelake ${staging}`

/**
 * Loads rows into a new table. Disposing it drops the table, unless it has been put in place.
 * @param pool where another connection is had, should the session's end before the table is dropped
 */
export async function fillStaging(
  { session, pool }: { readonly session: MssqlSession; readonly pool: MssqlPool },
  table: WarehouseTable,
  { columns, rows }: { readonly columns: readonly WarehouseColumn[]; readonly rows: WarehouseRows },
  options: LoadOptions,
): Promise<Staging> {
  const typed = mssql.typedColumns(table, columns)
  const name = `staging_${randomUUID().replaceAll('-', '')}`
  await using dropping = new AsyncDisposableStack()
  await requireLock(session, pool.location, lockOf(name), 'Session', 0)
  dropping.defer(async () => await drop(session, pool, name))
  await session.run(mssql.createTable(name, typed))
  const target = { into: mssql.stagingTable(name), table: table.name, columns: typed }
  const sent = await bulkLoad(session, target, untilAborted(table, rows, options))
  const owned = dropping.move()
  return { name, sent, [Symbol.asyncDispose]: async () => await owned.disposeAsync() }
}

/** Drops the staging tables whose loaders were killed; those of living ones stay. */
export async function dropLeftStaging(session: MssqlSession): Promise<void> {
  const { rows } = await session.run<{ name: string }>(mssql.STAGING_TABLES)
  for (const { name } of rows) {
    if (!(await tryLock(session, lockOf(name), 'Session', 0))) continue
    await session.run(mssql.dropStaging(name))
    await releaseLock(session, lockOf(name))
  }
}

async function* untilAborted(table: WarehouseTable, rows: WarehouseRows, options: LoadOptions): WarehouseRows {
  for await (const batch of rows) {
    stopWhenAborted(table, options)
    yield batch
  }
  stopWhenAborted(table, options)
}

/** Does not throw: a load that has failed has an error of its own to tell, and the next start drops what is left. */
async function drop(session: MssqlSession, pool: MssqlPool, name: string): Promise<void> {
  try {
    if (session.usable) {
      await session.run(mssql.dropStaging(name))
      await releaseLock(session, lockOf(name))
    } else {
      await pool.use(async (other) => await other.run(mssql.dropStaging(name)))
    }
  } catch {
    session.discard()
  }
}

/** Rows in one bulk insert, which is one transaction: the server's log can be cut behind each. */
const ROWS_PER_BULK = 200_000

type BulkTarget = {
  /** Quoted, with its schema. */
  readonly into: string
  /** The name of the table in the mart, for messages. */
  readonly table: string
  readonly columns: readonly TypedColumn[]
}

/**
 * Streams rows into a table at the server's pace; exported for tests of speed. @public @returns how many were sent
 * @throws {WarehouseRefusedError} terminal: a value does not fit its column. What was sent before stays in the table.
 */
export async function bulkLoad(session: MssqlSession, target: BulkTarget, rows: WarehouseRows): Promise<number> {
  const source = createRowSource(rows)
  try {
    while (await source.hasRows()) await sendPiece(session, target, source.piece())
  } finally {
    await source.close()
  }
  return source.taken()
}

type Next = IteratorResult<WarehouseRow> | Promise<IteratorResult<WarehouseRow>>

function createRowSource(rows: WarehouseRows) {
  const batches = rows[Symbol.asyncIterator]()
  let batch: readonly WarehouseRow[] = []
  let index = 0
  let taken = 0
  const hasRows = async (): Promise<boolean> => {
    while (index >= batch.length) {
      const following = await batches.next()
      if (following.done === true) return false
      batch = following.value
      index = 0
    }
    return true
  }
  const take = (): Next => {
    const row = batch[index]
    if (row === undefined) return hasRows().then((more) => (more ? take() : { done: true, value: undefined }))
    index += 1
    taken += 1
    return { done: false, value: row }
  }
  return {
    hasRows,
    taken: () => taken,
    close: async () => await batches.return?.(),
    piece(): AsyncIterable<WarehouseRow> {
      const end = taken + ROWS_PER_BULK
      const next = (): Next => (taken < end ? take() : { done: true, value: undefined })
      // The driver takes a row that is at hand without waiting: a promise for each would cost a third of the rows a second.
      return { [Symbol.asyncIterator]: () => ({ next: next as () => Promise<IteratorResult<WarehouseRow>> }) }
    },
  }
}

/**
 * What a load itself refuses ends the bulk insert, and the server may answer that with an error, or break the
 * connection: that says nothing about the rows, so that the first error is the one to tell.
 */
async function sendPiece(
  session: MssqlSession,
  { into, table, columns }: BulkTarget,
  rows: AsyncIterable<WarehouseRow>,
): Promise<void> {
  let first: { readonly error: unknown } | undefined
  const tell = (error: unknown) => {
    first ??= { error }
  }
  await new Promise<void>((resolve, reject) => {
    const load = session.connection.newBulkLoad(
      into,
      // Without the first, SQL Server takes NULL for a NOT NULL column.
      { checkConstraints: true, keepNulls: true, lockTable: true },
      (error) => {
        if (first !== undefined) reject(first.error)
        else if (error == null) resolve()
        else reject(error)
      },
    )
    for (const { name, mssql, mustHaveValue } of columns) {
      const refuse: Complaint = ({ problem, remedy }) => {
        const refusal = new WarehouseRefusedError(table, `${problem} (column ${name})`, remedy, { column: name })
        tell(refusal)
        return refusal
      }
      // The driver puts the name between brackets, and does not double those inside.
      load.addColumn(name.replaceAll(']', ']]'), cellType(mssql, mustHaveValue, refuse), {
        objName: name,
        nullable: !mustHaveValue,
        length: mssql.length ?? Infinity,
        ...(mssql.precision === undefined ? {} : { precision: mssql.precision }),
        ...(mssql.scale === undefined ? {} : { scale: mssql.scale }),
      })
    }
    // A source of rows may be slow; a server that is gone is noticed by TCP keep-alive.
    load.setTimeout(0)
    session.connection.execBulkLoad(load, tellingErrors(rows, tell))
  })
}

/** A row that is at hand stays so: without a promise. */
function tellingErrors(rows: AsyncIterable<WarehouseRow>, tell: (error: unknown) => void): AsyncIterable<WarehouseRow> {
  const source = rows[Symbol.asyncIterator]()
  const next = () => {
    try {
      const result = source.next()
      if (result instanceof Promise) result.catch(tell)
      return result
    } catch (error) {
      tell(error)
      throw error
    }
  }
  return { [Symbol.asyncIterator]: () => ({ next }) }
}
