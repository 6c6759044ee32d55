import { PipelineError } from '@cinelake/core'
import {
  REMEDY,
  ROW_PROBLEM,
  WarehouseQueryError,
  WarehouseRefusedError,
  WarehouseUnavailableError,
  type UnknownName,
} from '../errors.ts'

/** An error of DuckDB, as `errors_as_json` has it. It is never the cause of the port's: that would show it again, as JSON. */
type DuckDbFault = {
  readonly kind: string
  readonly message: string
  readonly subtype: string | undefined
  /** Of the entry that is missing: `Table`. */
  readonly type: string | undefined
  readonly name: string | undefined
  /** Bytes from 0. */
  readonly position: number | undefined
}

/** A conflict with another transaction, or temporarily no space: a retry may succeed. */
const TRANSIENT_KINDS = new Set(['Transaction', 'TransactionContext', 'IO', 'Out of Memory', 'Interrupt'])

export function faultOf(thrown: unknown): DuckDbFault | undefined {
  if (!(thrown instanceof Error) || thrown instanceof PipelineError) return undefined
  const start = thrown.message.indexOf('{"exception_type"')
  if (start < 0) return undefined
  try {
    const fields = JSON.parse(thrown.message.slice(start)) as Readonly<Record<string, string>>
    return {
      kind: fields['exception_type'] ?? '',
      message: fields['exception_message'] ?? '',
      subtype: fields['error_subtype'],
      type: fields['type'],
      name: fields['name'],
      position: fields['position'] === undefined ? undefined : Number(fields['position']),
    }
  } catch {
    return undefined
  }
}

/** The port's error of a failed load, without the words of DuckDB that may quote a value of a row. */
export function loadError(thrown: unknown, about: { readonly table: string; readonly location: string }): unknown {
  const fault = faultOf(thrown)
  if (fault === undefined) return thrown
  if (TRANSIENT_KINDS.has(fault.kind)) return new WarehouseUnavailableError(about.location, fault.message)
  const known = aboutRow(fault)
  if (known === undefined) return new WarehouseRefusedError(about.table, fault.message, REMEDY.other)
  return new WarehouseRefusedError(about.table, known.problem, known.remedy)
}

/** What is wrong with a row, without its values; undefined where no row is at fault. */
function aboutRow({ kind, message }: DuckDbFault): { readonly problem: string; readonly remedy: string } | undefined {
  if (kind === 'Constraint') {
    const column = /NOT NULL constraint failed: [^.]+\.(.+)$/.exec(message)?.[1]
    const where = column === undefined ? '' : ` (column ${column})`
    return { problem: `${ROW_PROBLEM.missing.problem}${where}`, remedy: REMEDY.required }
  }
  if (!['Conversion', 'Out of Range', 'Invalid Input'].includes(kind) || message.includes('read-only')) return undefined
  if (/timestamp|\bdate\b|\btime\b/i.test(message)) return ROW_PROBLEM.impossibleTime
  if (/\b(DECIMAL|U?INT\d+|FLOAT|DOUBLE|HUGEINT)\b/i.test(message))
    return { problem: 'a number is out of the range of its column, or is none', remedy: REMEDY.value }
  return ROW_PROBLEM.otherType
}

/** Translates the error of a user's query, with the database's own message. */
export function queryError(
  thrown: unknown,
  { location, sql }: { readonly location: string; readonly sql: string },
): unknown {
  const fault = faultOf(thrown)
  if (fault === undefined) return thrown
  if (fault.kind === 'IO' || fault.kind === 'Out of Memory')
    return new WarehouseUnavailableError(location, fault.message)
  return new WarehouseQueryError(wordsOf(fault), positionIn(sql, fault.position), { unknown: unknownName(fault) })
}

function wordsOf({ kind, message }: DuckDbFault): string {
  if (message.includes('read-only'))
    return 'only queries are allowed here (SELECT, VALUES, WITH … SELECT), got a statement that writes'
  return kind === 'Permission' ? `a query may read the tables of the mart and nothing else: ${message}` : message
}

/** Characters from 1, of an offset in bytes. */
export function positionIn(sql: string, offset: number | undefined): number | undefined {
  return offset === undefined ? undefined : Buffer.from(sql).subarray(0, offset).toString().length + 1
}

function unknownName({ subtype, type, name }: DuckDbFault): UnknownName | undefined {
  if (name === undefined) return undefined
  if (subtype === 'COLUMN_NOT_FOUND') return { kind: 'column', name }
  return subtype === 'MISSING_ENTRY' && type === 'Table' ? { kind: 'table', name } : undefined
}
