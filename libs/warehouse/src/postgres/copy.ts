import { WarehouseRefusedError } from '../errors.ts'
import { postgresType, type PostgresType } from './types.ts'
import { toJson } from '../to-json.ts'
import type { WarehouseColumn, WarehouseRow, WarehouseValue } from '../warehouse.ts'

/** Turns rows into the lines of PostgreSQL's `COPY … FROM` (text format). */
export type CopyWriter = (rows: readonly WarehouseRow[]) => string

/** @throws {WarehouseRefusedError} from the writer: a text holds U+0000, which PostgreSQL cannot store */
export function createCopyWriter(table: string, columns: readonly WarehouseColumn[]): CopyWriter {
  const fields = columns.map(({ name, type }) => ({ name, form: postgresType(type)?.form ?? ('text' as const) }))
  return (rows) => {
    const lines = rows.map((row) =>
      fields
        .map(({ name, form }) => {
          const field = copyField(row[name], form)
          if (field.includes('\0')) throw nulCharacter(table, name)
          return field
        })
        .join('\t'),
    )
    return lines.map((line) => `${line}\n`).join('')
  }
}

function copyField(value: WarehouseValue | undefined, form: PostgresType['form']): string {
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

function nulCharacter(table: string, column: string): WarehouseRefusedError {
  return new WarehouseRefusedError(
    table,
    `a text in column ${column} holds the character U+0000, which the database cannot store`,
    'reject such rows by a rule of the contract, or remove the character in the model',
    { column },
  )
}
