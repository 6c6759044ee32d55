import type { Place, Problems } from '@cinelake/config-text'
import type { CheckedPipeline, Materialization } from '../checked-pipeline.ts'
import type { SqlTyper, TypedColumn } from '../sql-typer.ts'
import { scanSql } from '../sql/parse.ts'
import type { Model } from '../text/read-model.ts'
import type { RefinedTable } from './personal.ts'

/** The platform's column of every refined dataset, beside its contract's: the start of the window in which the row landed. */
export const WINDOW_COLUMN = { name: '_window', type: 'TIMESTAMP WITH TIME ZONE' } as const

/** The places of a table's columns: of each, and of the whole list. */
export type TablePlaces = { readonly place: Place; readonly columns: ReadonlyMap<string, Place> }

/** The refined tables of a pipeline, as they are registered. Names are compared without case, as in SQL. */
export class Tables {
  readonly typer: SqlTyper | undefined
  /** The places of tables and their columns, by the table's name. */
  readonly places = new Map<string, TablePlaces>()
  readonly #problems: Problems
  readonly #claimed = new Map<string, { readonly name: string; readonly place: Place }>()
  readonly #usable = new Map<string, RefinedTable>()
  readonly #used = new Map<string, string>()

  constructor(typer: SqlTyper | undefined, problems: Problems) {
    this.typer = typer
    this.#problems = problems
  }

  /** Reserves a name for a table. @returns false if it is taken, which has been reported */
  claim(name: string, place: Place): boolean {
    const other = this.#claimed.get(name.toLowerCase())
    if (other !== undefined) {
      const { file, line } = other.place
      this.#problems.error(
        place,
        `the table \`${name}\` is made twice: also at ${file}:${line}`,
        'rename one of the two; names are compared without case',
      )
      return false
    }
    this.#claimed.set(name.toLowerCase(), { name, place })
    return true
  }

  /** Records the places of a table's columns. */
  placed(table: string, place: Place, columns: ReadonlyMap<string, Place>): void {
    this.places.set(table, { place, columns })
  }

  /** Registers a table's columns. @returns whether queries over it can be typed */
  async add(table: RefinedTable, isWhole: boolean): Promise<boolean> {
    if (!isWhole) return false
    this.#usable.set(table.name.toLowerCase(), table)
    await this.typer?.createTable(table.name, table.columns)
    return true
  }

  /**
   * Registers a table of another pipeline, under `pipeline.table`.
   * @param table undefined if its columns are not known
   */
  async use(name: string, table: RefinedTable | undefined): Promise<void> {
    this.#used.set(name.toLowerCase(), name)
    if (table !== undefined) await this.add(table, true)
  }

  /** The name as `pipeline.table` of a table of another pipeline that this one uses. */
  usedName(name: string): string | undefined {
    return this.#used.get(name.toLowerCase())
  }

  get usedNames(): string[] {
    return [...this.#used.values()]
  }

  /** A table whose columns are known. */
  usable(name: string): RefinedTable | undefined {
    return this.#usable.get(name.toLowerCase())
  }

  /** The name as spelled in the table's definition; undefined if there is no such table, valid or not. */
  nameOf(name: string): string | undefined {
    return this.#claimed.get(name.toLowerCase())?.name
  }

  get names(): string[] {
    return [...this.#claimed.values()].map(({ name }) => name)
  }
}

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
      problems.error(columnPlace(name, model), fault.message, fault.remedy)
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
export function columnPlaces(model: Model, columns: readonly TypedColumn[]): ReadonlyMap<string, Place> {
  return new Map(columns.map(({ name }) => [name, columnPlace(name, model)]))
}

/** The place where a column of the result is named; the beginning of the SELECT if it has no explicit name. */
function columnPlace(name: string, model: Model): Place {
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

/** The columns of every refined table of a pipeline by the table's name, as models read them, in build order. */
export function columnsOfTables({ datasets, models }: CheckedPipeline): Map<string, readonly TypedColumn[]> {
  const plain = ({ name, type }: TypedColumn): TypedColumn => ({ name, type })
  const tables = new Map<string, readonly TypedColumn[]>()
  for (const { name, contract } of datasets) tables.set(name, [...contract.columns.map(plain), WINDOW_COLUMN])
  for (const { name, columns, materialization } of models)
    tables.set(name, asTable(columns.map(plain), materialization))
  return tables
}
