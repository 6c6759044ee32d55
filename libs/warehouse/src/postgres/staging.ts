import { stopWhenAborted } from '../load-decision.ts'
import { createCopyWriter } from './copy.ts'
import type { StagedTable } from './place-sql.ts'
import type { LoadSession } from './session.ts'
import * as postgres from './sql.ts'
import type { LoadOptions, WarehouseColumn, WarehouseRows, WarehouseTable } from '../warehouse.ts'

export type FilledTable = StagedTable & {
  /** Rows that were sent. */
  readonly sent: number
  /** Rows that the database took. */
  readonly rowCount: number
}

/** Copies rows into a new staging table. */
export async function fillStaging(
  session: LoadSession,
  table: WarehouseTable,
  columns: readonly WarehouseColumn[],
  rows: WarehouseRows,
  options: LoadOptions & { readonly pieceCharacters: number },
): Promise<FilledTable> {
  const name = session.newStaging()
  const sql = `${session.stagingSchema}.${postgres.quoted(name)}`
  await session.exec(postgres.createTable(sql, table, columns))
  const toLines = createCopyWriter(table.name, columns)
  let sent = 0
  async function* pieces() {
    let pending = ''
    for await (const batch of rows) {
      stopWhenAborted(table, options)
      pending += toLines(batch)
      sent += batch.length
      if (pending.length < options.pieceCharacters) continue
      yield pending
      pending = ''
    }
    if (pending !== '') yield pending
  }
  const names = postgres.columnList(columns.map((column) => column.name))
  const rowCount = await session.copy(sql, names, pieces())
  stopWhenAborted(table, options)
  return { schema: session.stagingSchema, name, sql, sent, rowCount }
}
