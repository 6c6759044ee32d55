import type { Place, Problems } from '@cinelake/config-text'
import type { Materialization } from '../checked/model.ts'
import type { TypedColumn } from '../sql-typer.ts'
import { scanSql } from '../sql/scan.ts'
import type { Model } from '../text/read-model.ts'

/** The column in which a model names the rule for which a row is rejected; not part of the table. */
const REJECT_COLUMN = '_reject'

/** The columns of a history table in addition to the model's. */
export const HISTORY_COLUMNS: readonly (TypedColumn & { readonly description: string })[] = [
  {
    name: 'valid_from',
    type: 'TIMESTAMP WITH TIME ZONE',
    description: 'Start of the window in which the row became so.',
  },
  {
    name: 'valid_to',
    type: 'TIMESTAMP WITH TIME ZONE',
    description: 'Start of the window in which it changed or went; NULL while it is so.',
  },
  { name: 'is_current', type: 'BOOLEAN', description: 'Whether it is so now.' },
]

/** The columns of a model's table: history adds three. */
export function asTable(columns: readonly TypedColumn[], materialization: Materialization): TypedColumn[] {
  const added = materialization === 'history' ? HISTORY_COLUMNS.map(({ name, type }) => ({ name, type })) : []
  return [...columns, ...added]
}

/**
 * A model's columns as stored in its table, without the reject column.
 * @returns the columns that can be stored, and whether these are all
 */
export function storedColumns(
  model: Model,
  typed: readonly TypedColumn[],
  problems: Problems,
): { readonly columns: TypedColumn[]; readonly isWhole: boolean } {
  const columns: TypedColumn[] = []
  const taken = new Set(model.header.materialization === 'history' ? HISTORY_COLUMNS.map(({ name }) => name) : [])
  let isWhole = true
  for (const { name, type } of typed) {
    const fault = faultOf(name, type, taken, columns)
    taken.add(name.toLowerCase())
    if (fault !== undefined) {
      problems.error(placeOf(name, model), fault.message, fault.remedy)
      isWhole = false
    } else if (name.toLowerCase() !== REJECT_COLUMN) columns.push({ name, type: storedType(type) ?? type })
  }
  return { columns, isWhole }
}

type Fault = { readonly message: string; readonly remedy: string }

function faultOf(
  name: string,
  type: string,
  taken: ReadonlySet<string>,
  columns: readonly TypedColumn[],
): Fault | undefined {
  const lower = name.toLowerCase()
  if (columns.some((column) => column.name.toLowerCase() === lower)) {
    return { message: `the result has two columns \`${name}\``, remedy: 'rename one with AS' }
  }
  if (taken.has(lower)) {
    return {
      message: `\`${name}\` is a column that \`materialization: history\` adds itself`,
      remedy: 'rename it with AS',
    }
  }
  if (lower === REJECT_COLUMN) {
    const remedy = "give the name of the rule as a text, or NULL: CASE WHEN … THEN 'orphan' END AS _reject"
    return type === 'VARCHAR' ? undefined : { message: `\`_reject\` is ${type}`, remedy }
  }
  if (!/^[\p{L}_][\p{L}\p{N}_]*$/u.test(name)) {
    return {
      message: `the result's column '${name}' has no name that a table can have`,
      remedy: 'name it with AS: letters, digits and `_`, beginning with a letter',
    }
  }
  if (storedType(type) !== undefined) return undefined
  return {
    message: `the column \`${name}\` is ${type}, which tables do not hold`,
    remedy:
      'cast it to what they do: VARCHAR, BIGINT, DOUBLE, DECIMAL(p,s), BOOLEAN, DATE, TIMESTAMPTZ, or a list of them',
  }
}

/** The places where the result's columns are named. */
export function placesOf(model: Model, columns: readonly TypedColumn[]): ReadonlyMap<string, Place> {
  return new Map(columns.map(({ name }) => [name, placeOf(name, model)]))
}

/** The place where a column of the result is named; the beginning of the SELECT if it has no explicit name. */
function placeOf(name: string, model: Model): Place {
  const pieces = [...scanSql(model.sql)].filter((piece) => piece.kind !== 'comment' && piece.text.trim() !== '')
  const named = pieces.findLast(
    ({ text }, index) =>
      text.replaceAll('"', '').toLowerCase() === name.toLowerCase() && /^as$/i.test(pieces[index - 1]?.text ?? ''),
  )
  return model.at(named?.offset ?? 0)
}

/** The engine's types that tables do not have, by the type that their values are stored as. Values out of range fail the task. */
const INSTEAD: Readonly<Record<string, string>> = {
  TINYINT: 'INTEGER',
  SMALLINT: 'INTEGER',
  UTINYINT: 'INTEGER',
  USMALLINT: 'INTEGER',
  UINTEGER: 'BIGINT',
  UBIGINT: 'BIGINT',
  HUGEINT: 'BIGINT',
  UHUGEINT: 'BIGINT',
  FLOAT: 'DOUBLE',
  TIMESTAMP: 'TIMESTAMP WITH TIME ZONE',
  TIMESTAMP_S: 'TIMESTAMP WITH TIME ZONE',
  TIMESTAMP_MS: 'TIMESTAMP WITH TIME ZONE',
  TIMESTAMP_NS: 'TIMESTAMP WITH TIME ZONE',
  UUID: 'VARCHAR',
  JSON: 'VARCHAR',
}

const HELD = /^(?:BOOLEAN|INTEGER|BIGINT|DOUBLE|VARCHAR|DATE|TIME|TIMESTAMP WITH TIME ZONE|BLOB|DECIMAL\(\d+,\d+\))$/

/** The type of a query's column in a table; undefined if it cannot be stored. */
function storedType(type: string): string | undefined {
  if (type.endsWith('[]')) {
    const item = storedType(type.slice(0, -2))
    return item === undefined || item.endsWith('[]') ? undefined : `${item}[]`
  }
  if (HELD.test(type)) return type
  return type.startsWith('ENUM(') ? 'VARCHAR' : INSTEAD[type]
}
