import { asksForWindow, unknownPlaceholders } from '../bind-window.ts'
import type { CheckedModel, Materialization } from '../checked-pipeline.ts'
import { suggest } from '@cinelake/core'
import type { Place, Problems } from '@cinelake/config-text'
import { ROWS } from '../sql/lineage.ts'
import { parseQuery, positionAt } from '../sql/parse.ts'
import type { TypedColumn } from '../sql-typer.ts'
import { withBegin } from '../text/quality.ts'
import type { Model } from '../text/read-model.ts'
import { checkEvolution } from '../text/read-contract.ts'
import { checkRules, refusalsOf, sqlTypeOf } from './check-rules.ts'
import { personalColumns, type RefinedTable } from './personal.ts'
import { asTable, columnPlaces, HISTORY_COLUMNS, storedColumns, type Tables } from './tables.ts'

/** The inputs of a model. */
export type Inputs = {
  /** Datasets and models, in order. */
  readonly names: readonly string[]
  /** Whether the list is complete: if not, the SQL is not passed to the engine, which may look for tables elsewhere. */
  readonly areAll: boolean
}

type Context = { readonly tables: Tables; readonly problems: Problems }

/**
 * Checks a model whose inputs have been checked, and registers its table.
 * @returns undefined if it cannot be typed: because of reported problems, or because there is no engine
 */
export async function checkModel(model: Model, inputs: Inputs, context: Context): Promise<CheckedModel | undefined> {
  const { tables, problems } = context
  const { header } = model
  const read = inputs.names.map((name) => tables.usable(name))
  const usable = read.filter((table) => table !== undefined)
  checkHeader(model, problems)
  const rowsIn =
    header.rowsIn === undefined ? undefined : await checkRowsIn(model, inputs.names, header.rowsIn, context)
  if (model.parsed === undefined || tables.typer === undefined) return undefined
  // Tables that are not inputs have been reported at their place.
  const known = [...inputs.names, ...model.parsed.tables.map(({ name }) => name)]
  const refused = await refusalsOf(tables.typer, { sql: model.sql, tables: known })
  for (const { offset, message, remedy } of refused) problems.error(model.at(offset), message, remedy)
  if (refused.length > 0 || !inputs.areAll || usable.length < read.length) return undefined
  const typed = await sqlTypeOf(
    tables.typer,
    { sql: model.sql, at: (offset) => model.at(offset), names: namesOf(usable) },
    problems,
  )
  if (typed === undefined) return undefined
  const { columns, isWhole } = storedColumns(model, typed, problems)
  checkHeaderColumns(model, columns, problems)
  const personal = personalColumns(model.parsed, usable, typed)
  checkAnonymous(model, personal, columns, problems)
  const renamedFrom = Object.fromEntries(
    Object.entries(header.renamedFrom ?? {}).map(([name, formers]) => [name, [formers].flat()]),
  )
  checkEvolution({
    columns: asTable(columns, materializationOf(model)).map(({ name }) => name),
    renamedFrom,
    dropped: header.dropped ?? [],
    placeOf: (name) => model.headerText.at(name === undefined ? ['dropped'] : ['renamedFrom', name]),
    problems,
  })
  tables.placed(model.name, model.at(0), columnPlaces(model, columns))
  for (const name of header.anonymous ?? []) personal.delete(name.toLowerCase())
  // If no column is personal data, neither is the number of rows.
  if (header.anonymous !== undefined && columns.every(({ name }) => !personal.has(name.toLowerCase())))
    personal.delete(ROWS)
  const isAdded = await tables.add(
    {
      name: model.name,
      columns: asTable(columns, materializationOf(model)),
      personal,
      descriptions: descriptionsOf(model),
    },
    isWhole,
  )
  await checkRules(model.rules, {
    table: model.name,
    columns: columns.map(({ name }) => name),
    broken: new Set(),
    typer: tables.typer,
    isTyped: isAdded,
    problems,
  })
  const { line, column } = model.at(0)
  const begin = { line, column }
  const key = header.key ?? []
  return {
    name: model.name,
    ...(model.file === `models/${model.name}.sql` ? {} : { file: model.file }),
    ...(header.description === undefined ? {} : { description: header.description }),
    sql: model.sql,
    ...(begin.line === 1 && begin.column === 1 ? {} : { begin }),
    inputs: [...inputs.names],
    usesWindow: asksForWindow(model.sql),
    materialization: materializationOf(model),
    key,
    ...(key.length > 0 && !key.some((name) => personal.has(name.toLowerCase()))
      ? { keyMayBeShown: true as const }
      : {}),
    partitionBy: header.partitionBy ?? [],
    ...(rowsIn === undefined ? {} : { rowsIn }),
    ...(header.renamedFrom === undefined ? {} : { renamedFrom }),
    ...(header.dropped === undefined ? {} : { dropped: header.dropped }),
    columns: columns.map((column) => {
      const description = header.columns?.[column.name]
      return { ...column, ...(description === undefined ? {} : { description }) }
    }),
    rowRules: model.rules.rows.map(withBegin),
    tableRules: model.rules.tables.map(withBegin),
  }
}

function descriptionsOf({ header }: Model): Readonly<Record<string, string>> {
  if (header.materialization !== 'history') return header.columns ?? {}
  const added = HISTORY_COLUMNS.map(({ name, description }) => [name, description] as const)
  return { ...Object.fromEntries(added), ...header.columns }
}

const materializationOf = ({ header }: Model): Materialization => header.materialization ?? 'table'
const namesOf = (tables: readonly RefinedTable[]) => [
  ...new Set(tables.flatMap((table) => table.columns.map(({ name }) => name))),
]

function checkHeader({ header, headerText }: Model, problems: Problems): void {
  const materialization = header.materialization ?? 'table'
  if ((materialization === 'merge' || materialization === 'history') && (header.key ?? []).length === 0) {
    problems.error(
      headerText.at(['materialization']),
      `\`materialization: ${materialization}\` needs a key`,
      'add `key: [column, …]` with the columns that tell the rows apart',
    )
  }
  if (materialization === 'partitions' && (header.partitionBy ?? []).length === 0) {
    problems.error(
      headerText.at(['materialization']),
      '`materialization: partitions` needs partitions',
      'add `partitionBy: [column, …]`',
    )
  }
}

async function checkRowsIn(
  model: Model,
  inputs: readonly string[],
  query: string,
  { tables, problems }: Context,
): Promise<string | undefined> {
  const at = (offset: number): Place => {
    const { line, column } = positionAt(query, offset)
    return model.headerText.within(['rowsIn'], line, column)
  }
  if (tables.typer === undefined) return query
  const parsed = await parseQuery(tables.typer, query)
  if ('message' in parsed) {
    problems.error(
      at(parsed.offset),
      `\`rowsIn\` cannot be parsed: ${parsed.message}`,
      'write a query with one number, such as SELECT count(*) FROM watch_history',
    )
    return undefined
  }
  const others = parsed.tables.filter(
    (table) =>
      table.qualifier !== undefined || !inputs.includes(tables.usedName(table.name) ?? tables.nameOf(table.name) ?? ''),
  )
  for (const { name, offset } of others) {
    problems.error(at(offset), `\`rowsIn\` reads \`${name}\`, which the model does not`, suggest(name, inputs))
  }
  const isRead = [...inputs, ...others.map(({ name }) => name)]
  const forbidden = await refusalsOf(tables.typer, { sql: query, tables: isRead })
  for (const { offset, message, remedy } of forbidden) problems.error(at(offset), `\`rowsIn\`: ${message}`, remedy)
  const unknown = unknownPlaceholders(query)
  for (const { text, offset } of unknown)
    problems.error(at(offset), `unknown placeholder \`${text}\``, 'expected `:window_start` or `:window_end`')
  const isKnown = inputs.every((name) => tables.usable(name) !== undefined)
  const isWrong = others.length + forbidden.length + unknown.length > 0
  if (isWrong || !isKnown) return query
  const typed = await sqlTypeOf(tables.typer, { sql: query, at, names: [] }, problems)
  if (typed !== undefined && (typed.length !== 1 || !/^U?(?:BIG|HUGE)?INT(?:EGER)?$/.test(typed[0]?.type ?? ''))) {
    problems.error(
      at(0),
      `\`rowsIn\` gives ${typed.map(({ type }) => type).join(', ')}`,
      'write a query with one whole number, such as SELECT count(*) FROM watch_history',
    )
  }
  return query
}

function checkHeaderColumns({ header, headerText }: Model, columns: readonly TypedColumn[], problems: Problems): void {
  const names = columns.map(({ name }) => name)
  for (const key of ['key', 'partitionBy', 'anonymous'] as const) {
    for (const [index, name] of (header[key] ?? []).entries()) {
      const column = columns.find((candidate) => candidate.name === name)
      if (column === undefined)
        problems.error(
          headerText.at([key, index]),
          `\`${key}\` names \`${name}\`, which the SELECT does not give`,
          suggest(name, names),
        )
      else if (key !== 'anonymous' && column.type.endsWith('[]'))
        problems.error(
          headerText.at([key, index]),
          `\`${key}\` names the list \`${name}\``,
          'name a column with one value',
        )
    }
  }
  for (const name of Object.keys(header.renamedFrom ?? {})) {
    if (!names.includes(name))
      problems.error(
        headerText.atKey(['renamedFrom', name]),
        `\`renamedFrom\` names \`${name}\`, which the SELECT does not give`,
        suggest(name, names),
      )
  }
  const described = asTable(columns, header.materialization ?? 'table').map(({ name }) => name)
  for (const name of Object.keys(header.columns ?? {})) {
    if (!described.includes(name))
      problems.error(
        headerText.atKey(['columns', name]),
        `\`columns\` describes \`${name}\`, which the SELECT does not give`,
        suggest(name, described),
      )
  }
}

function checkAnonymous(
  { header, headerText }: Model,
  personal: ReadonlyMap<string, unknown>,
  columns: readonly TypedColumn[],
  problems: Problems,
): void {
  for (const [index, name] of (header.anonymous ?? []).entries()) {
    if (personal.has(name.toLowerCase()) || !columns.some((column) => column.name === name)) continue
    problems.warning(
      headerText.at(['anonymous', index]),
      `\`${name}\` is not made of personal data`,
      'remove it from `anonymous`',
    )
  }
}
