import {
  isTransientPostgresFault as isTransient,
  postgresFaultOf as faultOf,
  type PostgresFault,
} from '@cinelake/database'
import {
  REMEDY,
  ROW_PROBLEM,
  WarehouseQueryError,
  WarehouseRefusedError,
  WarehouseUnavailableError,
  type UnknownName,
} from '../errors.ts'

const UNSTORABLE = { problem: 'a text holds a character that the database cannot store', remedy: REMEDY.value }

/** Faults by SQLSTATE that have better words than the database's. */
const KNOWN: Readonly<Record<string, { readonly problem: string; readonly remedy: string }>> = {
  '22001': ROW_PROBLEM.textTooLong,
  '22003': ROW_PROBLEM.outOfRange,
  '22007': ROW_PROBLEM.impossibleTime,
  '22008': ROW_PROBLEM.impossibleTime,
  '22021': UNSTORABLE,
  '22P02': ROW_PROBLEM.otherType,
  '22P05': UNSTORABLE,
  '23502': ROW_PROBLEM.missing,
  '23503': {
    problem: 'a foreign key of another table refers to rows that are gone',
    remedy: 'drop the foreign key, or make it one that follows (`ON DELETE SET NULL`)',
  },
  '23505': ROW_PROBLEM.repeatedKey,
  '2BP01': {
    problem: 'other objects of the database depend on the table',
    remedy: 'drop the objects that depend on the table (views) and make them again afterwards',
  },
  '42501': ROW_PROBLEM.forbidden,
}

/** The port's error of a failed load, without the words of the database that may quote a value of a row. */
export function loadError(thrown: unknown, about: { readonly table: string; readonly location: string }): unknown {
  const fault = faultOf(thrown)
  if (fault === undefined) return thrown
  if (isTransient(fault)) return new WarehouseUnavailableError(about.location, fault.message, { cause: thrown })
  const known = KNOWN[fault.code]
  const column = fault.column ?? columnOf(fault.where)
  const quotesValues = /^2[23]/.test(fault.code)
  const problem = known?.problem ?? (quotesValues ? 'a value is refused' : fault.message)
  return new WarehouseRefusedError(
    about.table,
    `${problem}${column === undefined ? '' : ` (column ${column})`} [sqlstate=${fault.code}]`,
    known?.remedy ?? REMEDY.other,
    { sqlstate: fault.code, ...(column === undefined ? {} : { column }) },
    quotesValues ? undefined : { cause: thrown },
  )
}

type AskedQuery = { readonly location: string; readonly sql: string; readonly timeoutMs: number }

export function queryError(thrown: unknown, { location, sql, timeoutMs }: AskedQuery): unknown {
  const fault = faultOf(thrown)
  if (fault === undefined) return thrown
  if (fault.code === '57014') return WarehouseQueryError.tooLong(timeoutMs, { cause: thrown })
  if (isTransient(fault)) return new WarehouseUnavailableError(location, fault.message, { cause: thrown })
  const position = fault.position === undefined ? undefined : Number(fault.position)
  return new WarehouseQueryError(wordsOf(fault, sql, position), position, {
    cause: thrown,
    unknown: unknownName(fault),
  })
}

/** The problem in words for analysts. */
function wordsOf({ code, message }: PostgresFault, sql: string, position: number | undefined): string {
  // What a read-only transaction makes of a statement that is not a query.
  if (code === '25006' || (code === '0A000' && message.includes('data-modifying')))
    return 'only queries are allowed here (SELECT, VALUES, WITH … SELECT), got a statement that writes'
  if (code === '42601' && message.includes('multiple commands')) return 'expected one statement, got several'
  if (code === '42601' && position === sql.search(/\S/) + 1)
    return `expected a query (SELECT, VALUES or WITH … SELECT), got something else: ${message}`
  return code === '42501' ? `a query may read the tables of the mart and nothing else: ${message}` : message
}

/** The name that a statement has and the database does not, by the fault's own words. */
function unknownName({ code, message }: PostgresFault): UnknownName | undefined {
  const name = /"(.+?)"/.exec(message)?.[1] ?? /^column (\S+) does not exist/.exec(message)?.[1]
  if (name === undefined) return undefined
  if (code === '42P01') return { kind: 'table', name }
  return code === '42703' ? { kind: 'column', name } : undefined
}

/** `COPY staging_x, line 3, column score: "abc"` names the column; the rest is the row's own. */
function columnOf(where: string | undefined): string | undefined {
  return where === undefined ? undefined : /^COPY [^,]+, line \d+, column ([^:\s]+)/.exec(where)?.[1]
}
