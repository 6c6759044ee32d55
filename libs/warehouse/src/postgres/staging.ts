import { identifier, identifiers } from '@cinelake/sql'
import { toJson } from '../adapter.ts'
import { nulCharacterError } from '../errors.ts'
import { stopWhenAborted } from '../load-decision.ts'
import type {
  LoadOptions,
  WarehouseColumn,
  WarehouseRow,
  WarehouseRows,
  WarehouseTable,
  WarehouseValue,
} from '../warehouse.ts'
import type { StagedTable } from './place.ts'
import type { LoadSession } from './session.ts'
import * as postgres from './sql.ts'

export type FilledTable = StagedTable & {
  readonly sent: number
  /** Rows that the database took. */
  readonly rowCount: number
}

export async function fillStaging(
  session: LoadSession,
  table: WarehouseTable,
  columns: readonly WarehouseColumn[],
  rows: WarehouseRows,
  options: LoadOptions & { readonly pieceCharacters: number },
): Promise<FilledTable> {
  const name = session.newStaging()
  const sql = `${session.stagingSchema}.${identifier(name)}`
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
  const names = identifiers(columns.map((column) => column.name))
  const rowCount = await session.copy(sql, names, pieces())
  stopWhenAborted(table, options)
  return { schema: session.stagingSchema, name, sql, sent, rowCount }
}

/** Turns rows into the lines of PostgreSQL's `COPY … FROM` (text format). */
type CopyWriter = (rows: readonly WarehouseRow[]) => string

/** @throws {WarehouseRefusedError} from the writer: a text holds U+0000, which PostgreSQL cannot store */
function createCopyWriter(table: string, columns: readonly WarehouseColumn[]): CopyWriter {
  const fields = columns.map(({ name, type }) => ({
    name,
    form: postgres.postgresType(type)?.form ?? ('text' as const),
  }))
  return (rows) => {
    const lines = rows.map((row) =>
      fields
        .map(({ name, form }) => {
          const field = copyField(row[name], form)
          if (field.includes('\0')) throw nulCharacterError(table, name)
          return field
        })
        .join('\t'),
    )
    return lines.map((line) => `${line}\n`).join('')
  }
}

function copyField(value: WarehouseValue | undefined, form: postgres.PostgresType['form']): string {
  if (value === null || value === undefined) return '\\N'
  if (form === 'json') return escaped(toJson(value))
  if (typeof value === 'string') return escaped(value)
  if (typeof value === 'boolean') return value ? 't' : 'f'
  if (typeof value === 'number') return copyNumber(value)
  if (typeof value === 'bigint') return String(value)
  if (value instanceof Uint8Array) return `\\\\x${Buffer.from(value).toString('hex')}`
  return escaped(toJson(value))
}

function copyNumber(value: number): string {
  if (Number.isFinite(value)) return Object.is(value, -0) ? '-0' : String(value)
  if (Number.isNaN(value)) return 'NaN'
  return value > 0 ? 'Infinity' : '-Infinity'
}

const SPECIAL = /[\\\n\r\t]/
const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' }

function escaped(text: string): string {
  return SPECIAL.test(text) ? text.replaceAll(/[\\\n\r\t]/g, (char) => ESCAPES[char] ?? char) : text
}
