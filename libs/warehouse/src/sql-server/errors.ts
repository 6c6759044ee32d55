import { connectionError, faultOf, type MssqlFault } from '@cinelake/database/sql-server'
import { REMEDY, ROW_PROBLEM, WarehouseQueryError, WarehouseRefusedError, type UnknownName } from '../errors.ts'

type Known = { readonly numbers: readonly number[]; readonly problem: string; readonly remedy: string }

/** Faults by error number that have better words than the server's. Source: `sys.messages`. */
const KNOWN: readonly Known[] = [
  { numbers: [1505, 2601, 2627], ...ROW_PROBLEM.repeatedKey },
  {
    numbers: [1944, 1946],
    problem: 'the primary key of a row is longer than the 900 bytes that can be indexed',
    remedy: REMEDY.key,
  },
  { numbers: [515], ...ROW_PROBLEM.missing },
  { numbers: [2628, 8152], ...ROW_PROBLEM.textTooLong },
  { numbers: [220, 232, 248, 8115], ...ROW_PROBLEM.outOfRange },
  { numbers: [241, 242, 295, 296], ...ROW_PROBLEM.impossibleTime },
  { numbers: [244, 245, 257, 8114], ...ROW_PROBLEM.otherType },
  {
    numbers: [3726, 3729, 5074],
    problem: 'other objects of the database depend on the table',
    remedy:
      'drop the objects that are bound to the table (views WITH SCHEMABINDING, foreign keys) and make them again afterwards',
  },
  { numbers: [229, 230, 262, 297, 300, 2760, 15151, 15247, 15517], ...ROW_PROBLEM.forbidden },
  {
    numbers: [40544, 1827],
    problem: 'the database has reached its greatest size',
    remedy: 'give the database more room, or serve less',
  },
]

/** The port's error of a failed load, without the words of the server that may quote a value of a row. */
export function loadError(thrown: unknown, about: { readonly table: string; readonly location: string }): unknown {
  const general = connectionError(thrown, about.location)
  const fault = faultOf(general)
  if (fault === undefined) return general
  const known = KNOWN.find(({ numbers }) => numbers.includes(fault.number ?? 0))
  const number = fault.number ?? fault.code ?? 'none'
  return new WarehouseRefusedError(
    about.table,
    `${known?.problem ?? fault.message} [error=${number}]`,
    known?.remedy ?? REMEDY.other,
    { error: number },
    known === undefined ? { cause: thrown } : undefined,
  )
}

export function queryError(thrown: unknown, location: string, sql: string): unknown {
  const general = connectionError(thrown, location)
  const fault = faultOf(general)
  if (fault === undefined) return general
  return new WarehouseQueryError(fault.message, positionOf(fault, sql), { cause: thrown, unknown: unknownName(fault) })
}

/** "Invalid column name" and "Invalid object name". Source: `sys.messages` */
function unknownName({ number, message }: MssqlFault): UnknownName | undefined {
  const name = /'([^']+)'/.exec(message)?.[1]
  if (name === undefined || (number !== 207 && number !== 208)) return undefined
  return { kind: number === 207 ? 'column' : 'table', name }
}

/** The server names a line, and what it stumbled over in quotes: the first place from there on where that stands. */
function positionOf({ message, line = 1 }: MssqlFault, sql: string): number | undefined {
  const name = /['"]([^'"]+)['"]/.exec(message)?.[1]?.split('.').at(-1)
  if (name === undefined) return undefined
  const start = sql
    .split('\n')
    .slice(0, line - 1)
    .join('\n').length
  const found = sql.toLowerCase().indexOf(name.toLowerCase(), start)
  return found < 0 ? undefined : found + 1
}
