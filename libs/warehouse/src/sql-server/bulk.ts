import { WarehouseRefusedError } from '../errors.ts'
import { cellType, type Complaint } from './cells.ts'
import type { MssqlSession } from '@cinelake/database/sql-server'
import type { TypedColumn } from './sql.ts'
import type { WarehouseRow, WarehouseRows } from '../warehouse.ts'

/** Rows in one bulk insert, which is one transaction: the server's log can be cut behind each. */
const ROWS_PER_BULK = 200_000

export type BulkTarget = {
  /** Quoted, with its schema. */
  readonly into: string
  /** The name of the table in the mart, for messages. */
  readonly table: string
  readonly columns: readonly TypedColumn[]
}

/**
 * Streams rows into a table at the server's pace, holding one batch of them at a time.
 * @returns how many were sent
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

/** The rows of all batches as pieces for one bulk insert each. */
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

async function sendPiece(
  session: MssqlSession,
  { into, table, columns }: BulkTarget,
  rows: AsyncIterable<WarehouseRow>,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const load = session.connection.newBulkLoad(
      into,
      // Without the first, SQL Server takes NULL for a NOT NULL column.
      { checkConstraints: true, keepNulls: true, lockTable: true },
      (error) => (error == null ? resolve() : reject(error)),
    )
    for (const { name, mssql, mustHaveValue } of columns) {
      const refuse: Complaint = (problem, remedy) =>
        new WarehouseRefusedError(table, `${problem} (column ${name})`, remedy, { column: name })
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
    session.connection.execBulkLoad(load, rows)
  })
}
