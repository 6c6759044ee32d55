import { asString } from '@cinelake/config-text'
import type { TypedColumn } from '../sql-typer.ts'
import { childrenOf, isNode, listOf, locationOf, type Node, parametersOf } from './parse.ts'

/** A column of a table that a result's column is derived from. */
export type Origin = { readonly table: string; readonly column: string }

/** The key for the origins that decide how many result rows there are per input row. */
export const ROWS = '(rows)'

/** The origins of a result's columns, by lower-case name, and of its rows as `ROWS`. Undefined if they are unknown. */
export type Lineage = ReadonlyMap<string, readonly Origin[] | undefined>

type Table = { readonly name: string; readonly columns: readonly TypedColumn[] }

/**
 * Traces each column of a query's result to the tables it comes from: through common table expressions, subqueries,
 * stars and set operations. A column that only filters rows (WHERE) is not an origin, and neither is a column that is
 * only counted; a column that decides how many rows are made of one is an origin of every column: one that is unnested or
 * ranged over, that a LIMIT is computed from, that ends a recursion, or that is compared with columns of another table
 * (except by equality of plain columns). Counting such rows reveals its values.
 *
 * A filter becomes an origin if a value reveals it: a filter of the inner side of an outer join, of a LATERAL subquery,
 * or of a part of a UNION with a constant. So does the order of rows, if a value depends on it.
 *
 * If names are ambiguous, all candidates count.
 * @param tree the query's node in the engine's parse tree
 * @param tables that the query may read; the columns of any other table are unknown
 * @param columns the result's columns as inferred by the engine
 */
export function lineageOf(tree: Node, tables: readonly Table[], columns: readonly TypedColumn[]): Lineage {
  const rows = new Set<Origin>()
  const inputs = new Map(tables.map((table) => [table.name.toLowerCase(), inputOf(table)]))
  const result = follow(tree, { inputs, expressions: new Map(), above: undefined, rows, recurs: false })
  const told = (origins: Iterable<Origin>) => {
    const all = new Set([...origins, ...rows])
    return all.has(ANYTHING) ? undefined : [...all]
  }
  const found = new Map<string, Origin[]>()
  for (const [index, { name }] of columns.entries()) {
    const known = found.get(name.toLowerCase()) ?? []
    found.set(name.toLowerCase(), [...known, ...madeOfColumn(result, columns, index).origins])
  }
  return new Map([...[...found].map(([name, origins]) => [name, told(origins)] as const), [ROWS, told([])]])
}

/** Everything that a query reads, as possible origins. */
const ANYTHING: Origin = { table: '', column: '' }

/** One reference to a relation in a query. */
type Reading = symbol

/** The origins of a value. */
type Made = {
  readonly origins: ReadonlySet<Origin>
  /** The references whose rows it takes values from: a condition on several compares rows with rows. */
  readonly readings: ReadonlySet<Reading>
  /** A plain column of a table, under whatever name: counting it reveals how many rows have a value, and not the value. */
  readonly isColumn: boolean
  /** Those of its origins that decide whether it is NULL, as after an outer join: counting it reveals them. */
  readonly presence: ReadonlySet<Origin>
}

/** A column of a relation; without a name if the engine generates one. */
type Column = {
  readonly name: string | undefined
  readonly made: Made
  /** The origins of its unqualified name if an outer join has merged it with another column (USING, NATURAL). */
  readonly bare?: Made | undefined
}

type Relation = {
  readonly columns: readonly Column[]
  /** The origins of columns whose names are unknown. */
  readonly rest?: Made | undefined
  /** The origins of the order of its rows. */
  readonly order?: ReadonlySet<Origin> | undefined
}

/** The origins of its filters. */
type Conditions = {
  readonly all: Made
  /** Without equality of plain columns of several relations. */
  readonly filters: Made
}

/** A relation and the origins of its filters: a value that reveals whether there are rows depends on both. */
type Followed = Relation & { readonly conditions: Conditions }

/** A common table expression, or an input table. */
type Expression = Followed & { readonly rows: ReadonlySet<Origin> }

type Context = {
  readonly inputs: ReadonlyMap<string, Expression>
  readonly expressions: ReadonlyMap<string, Expression>
  /** The SELECT around a subquery, whose columns it may reference. */
  readonly above: Scope | undefined
  /** The origins of the number of rows; one set shared by a query and all its subqueries. */
  readonly rows: Set<Origin>
  /** Within the recursive part of a recursive expression. */
  readonly recurs: boolean
}

/** The visible names within one SELECT. */
type Scope = Context & {
  readonly visible: { readonly alias: string; readonly relation: Relation }[]
  /** Columns that joins have merged (USING, NATURAL), lower case. */
  readonly merged: Set<string>
  /** Aliases in the SELECT's own list. */
  readonly aliases: Map<string, Made>
  readonly parameters: ReadonlySet<string>
  /** Whether it groups rows: a count then differs from row to row, though it has no origins. */
  readonly isGrouped: boolean
}

const NOTHING: Made = { origins: new Set(), readings: new Set(), isColumn: false, presence: new Set() }
const UNKNOWN: Made = {
  origins: new Set([ANYTHING]),
  readings: new Set([Symbol('one'), Symbol('other')]),
  isColumn: false,
  presence: new Set(),
}

function inputOf({ name: table, columns }: Table): Expression {
  const reading = Symbol(table)
  const made = (column: string): Made => ({
    origins: new Set([{ table, column }]),
    readings: new Set([reading]),
    isColumn: true,
    presence: new Set(),
  })
  return {
    columns: columns.map(({ name }) => ({ name, made: made(name) })),
    conditions: filteredBy(NOTHING),
    rows: new Set([{ table, column: ROWS }]),
  }
}

/** By position if all columns are known, else by name. The engine numbers columns of the same name. */
function madeOfColumn(result: Relation, columns: readonly TypedColumn[], index: number): Made {
  const isNamed = (known: Column, { name }: TypedColumn) =>
    known.name === undefined || isSame(known.name, name) || isSame(known.name, name.replace(/[_:]\d+$/, ''))
  const isByPlace =
    result.rest === undefined &&
    result.columns.length === columns.length &&
    columns.every((column, place) => isNamed(result.columns[place] ?? { name: '', made: UNKNOWN }, column))
  if (isByPlace) return result.columns[index]?.made ?? UNKNOWN
  const column = columns[index]
  const found = result.columns.filter((known) => column !== undefined && isNamed(known, column))
  if (found.length === 0) return result.rest ?? UNKNOWN
  return together([...found.map(({ made }) => made), ...listed(result.rest)])
}

const isSame = (one: string, other: string) => one.toLowerCase() === other.toLowerCase()
const listed = (made: Made | undefined): Made[] => (made === undefined ? [] : [made])
const everyMade = ({ columns, rest }: Relation): Made[] => [...columns.map(({ made }) => made), ...listed(rest)]

/** A value that is computed from others. */
function together(parts: readonly Made[]): Made {
  const [only] = parts
  if (only !== undefined && parts.length === 1) return only
  return {
    origins: new Set(parts.flatMap(({ origins }) => [...origins])),
    readings: new Set(parts.flatMap(({ readings }) => [...readings])),
    isColumn: parts.length > 0 && parts.every(({ isColumn }) => isColumn),
    presence: new Set(parts.flatMap(({ presence }) => [...presence])),
  }
}

const computed = (parts: readonly Made[]): Made => ({ ...together(parts), isColumn: false })
const filteredBy = (made: Made): Conditions => ({ all: made, filters: made })
const allOf = (conditions: readonly Conditions[]): Conditions => ({
  all: computed(conditions.map(({ all }) => all)),
  filters: computed(conditions.map(({ filters }) => filters)),
})
const withReading = (made: Made, reading: Reading): Made => ({
  ...made,
  readings: new Set([...made.readings, reading]),
})

function addAll(rows: Set<Origin>, { origins }: Pick<Made, 'origins'>): void {
  for (const origin of origins) rows.add(origin)
}

/** A new reference to a relation: two references are two sets of rows. */
function readAgain({ columns, rest, order }: Relation): Relation {
  const readings = new Map<Reading, Reading>()
  const again = (made: Made): Made => ({
    ...made,
    readings: new Set(
      [...made.readings].map((reading) => {
        const known = readings.get(reading) ?? Symbol(reading.description)
        readings.set(reading, known)
        return known
      }),
    ),
  })
  return { columns: columns.map(({ name, made }) => ({ name, made: again(made) })), rest: rest && again(rest), order }
}

/** The names that an alias list gives to the first columns; applies to unknown columns as well. */
function renamed({ columns, rest, order }: Relation, names: readonly string[]): Relation {
  const known = columns.map(({ name, made }, index) => ({ name: names[index] ?? name, made }))
  const further = rest === undefined ? [] : names.slice(columns.length).map((name) => ({ name, made: rest }))
  // If some columns are unknown, no position is certain.
  if (rest === undefined || names.length === 0) return { columns: known, rest, order }
  const any = together(everyMade({ columns, rest }))
  return { columns: [...known, ...further].map(({ name }) => ({ name, made: any })), rest: any, order }
}

/** With the names that columns of a subquery get: `id`, `id_1`. */
function numbered({ columns, rest, order }: Relation): Relation {
  const seen = new Map<string, number>()
  return {
    rest,
    order,
    columns: columns.map(({ name, made }) => {
      const count = name === undefined ? 0 : (seen.get(name.toLowerCase()) ?? 0)
      if (name !== undefined) seen.set(name.toLowerCase(), count + 1)
      return { name: count === 0 ? name : `${name ?? ''}_${count}`, made }
    }),
  }
}

function follow(node: unknown, context: Context): Followed {
  if (!isNode(node)) return untold(context)
  const inside = withExpressions(node, context)
  switch (node['type']) {
    case 'SELECT_NODE':
      return followSelect(node, inside)
    case 'SET_OPERATION_NODE':
      return followSetOperation(node, inside)
    case 'RECURSIVE_CTE_NODE':
      return followRecursion(node, inside)
    default:
      return untold(context)
  }
}

/** A construct whose lineage is unknown. */
function untold({ rows }: Context): Followed {
  addAll(rows, UNKNOWN)
  return { columns: [], rest: UNKNOWN, conditions: filteredBy(UNKNOWN) }
}

/** Common table expressions are visible to later ones. The origins of their filters are added where they are read. */
function withExpressions(node: Node, context: Context): Context {
  const map = isNode(node['cte_map']) ? listOf(node['cte_map']['map']) : []
  const expressions = new Map(context.expressions)
  for (const { key, value } of map.filter(isNode)) {
    const query = isNode(value) && isNode(value['query']) ? value['query']['node'] : undefined
    const names = isNode(value) ? listOf(value['aliases']).map(asString) : []
    const rows = new Set<Origin>()
    const { conditions, ...result } = follow(query, { ...context, expressions, rows })
    expressions.set(asString(key).toLowerCase(), { ...renamed(numbered(result), names), conditions, rows })
  }
  return { ...context, expressions }
}

const emptyScope = (context: Context): Scope => ({
  ...context,
  visible: [],
  merged: new Set(),
  aliases: new Map(),
  parameters: new Set(),
  isGrouped: false,
})

function followSelect(node: Node, context: Context): Followed {
  const isGrouped = listOf(node['group_expressions']).length > 0 || node['aggregate_handling'] === 'FORCE_AGGREGATES'
  const scope = { ...emptyScope(context), isGrouped }
  const conditions = [...from(node['from_table'], scope)]
  const selected = listOf(node['select_list']).map((item) => select(item, scope))
  for (const clause of ['where_clause', 'having', 'qualify']) {
    if (isNode(node[clause])) conditions.push(condition(node[clause], scope))
  }
  for (const group of listOf(node['group_expressions'])) made(group, scope)
  conditions.push(...followModifiers(node, scope, selected).map(filteredBy))
  const rests = selected.flatMap(({ rest }) => listed(rest))
  return {
    columns: selected.flatMap(({ columns }) => columns),
    rest: rests.length === 0 ? undefined : together(rests),
    order: together([...orderKeys(node, scope, selected), orderedBy(scope)]).origins,
    conditions: allOf(conditions),
  }
}

/**
 * The number of rows that a LIMIT keeps reveals the value it was computed from.
 * @returns the origins that decide which rows are kept: if not all are, also those of the order
 */
function followModifiers(node: Node, scope: Scope, selected: readonly Relation[]): Made[] {
  const modifiers = listOf(node['modifiers']).filter(isNode)
  const parts = modifiers.flatMap((modifier) => {
    const found = [...childrenOf(modifier)].map(([, child]) => made(child, scope))
    if (isLimit(modifier)) addAll(scope.rows, together(found))
    // `ORDER BY 2` and `ORDER BY ALL` refer to columns of the result.
    return modifier['type'] === 'ORDER_MODIFIER' ? [...found, ...selected.flatMap(everyMade)] : found
  })
  return modifiers.some((modifier) => isLimit(modifier) || isDistinctOn(modifier)) ? [...parts, orderedBy(scope)] : []
}

/** The origins of an ORDER BY. A name refers to a column of the result before one of a table. */
function orderKeys(node: Node, scope: Scope, selected: readonly Relation[]): Made[] {
  const keys = listOf(node['modifiers'])
    .filter(isNode)
    .flatMap((modifier) => listOf(modifier['orders']))
    .filter(isNode)
  return keys.flatMap(({ expression }) => {
    if (!isNode(expression)) return [UNKNOWN]
    const isAll = expression['class'] === 'STAR' && !isNode(expression['expr'])
    // A number is a position in the result.
    const results = isAll || expression['class'] === 'CONSTANT' ? selected.flatMap(everyMade) : []
    return isAll ? results : [...results, ...aliased(expression, scope), made(expression, scope)]
  })
}

const aliased = (node: Node, scope: Scope): Made[] => [
  ...listOf(node['column_names']).flatMap((name) => listed(scope.aliases.get(asString(name).toLowerCase()))),
  ...[...childrenOf(node)].flatMap(([, child]) => aliased(child, scope)),
]

const asMade = ({ order = new Set() }: Relation): Made => ({ ...NOTHING, origins: order })

/** The origins of the order of the rows that a SELECT reads. */
const orderedBy = ({ visible }: Scope): Made => together(visible.map(({ relation }) => asMade(relation)))

const isLimit = ({ type }: Node) => asString(type).startsWith('LIMIT')
const isDistinctOn = (modifier: Node) => listOf(modifier['distinct_on_targets']).length > 0

function followSetOperation(node: Node, context: Context): Followed {
  const sides = [node['left'], node['right'], ...listOf(node['children'])].filter(isNode)
  const parts = sides.map((side) => follow(side, context))
  const limits = listOf(node['modifiers']).filter((modifier) => isNode(modifier) && isLimit(modifier))
  followModifiers({ modifiers: limits }, emptyScope(context), [])
  // Values decide which rows EXCEPT and INTERSECT return, and in which order a LIMIT gets them.
  const isByValue = limits.length > 0 || !asString(node['setop_type']).startsWith('UNION')
  const isOrdered = listOf(node['modifiers']).some((modifier) => isNode(modifier) && 'orders' in modifier)
  const values = parts.flatMap(everyMade)
  const orders = parts.map(asMade)
  const decisive = isByValue ? [...values, ...orders] : []
  const conditions = allOf([...parts.map((part) => part.conditions), ...decisive.map(filteredBy)])
  const order = together(isOrdered ? [...values, ...orders] : orders).origins
  return { ...united(parts, node['setop_type'] === 'UNION_BY_NAME', whichPart(parts)), order, conditions }
}

/** The origins that a row's part of a UNION reveals: if several parts read a table, their conditions distinguish its rows. */
function whichPart(parts: readonly Followed[]): ReadonlySet<Origin> {
  const tables = parts.map((part) => {
    const { origins } = together([...everyMade(part), part.conditions.all])
    return new Set([...origins].map(({ table }) => table))
  })
  const found = parts.flatMap(({ conditions }, index) => {
    const others = tables.filter((_, other) => other !== index)
    return [...conditions.filters.origins].filter(
      (origin) => origin === ANYTHING || others.some((other) => other.has(origin.table)),
    )
  })
  return new Set(found)
}

/** @param which origins revealed by a column that is constant in a part, or missing in one: it identifies a row's part */
function united(parts: readonly Relation[], isByName: boolean, which: ReadonlySet<Origin> = new Set()): Relation {
  // Each row comes from one part: a value that is constant in each part still differs between rows of the whole.
  const [constant, row, other] = [Symbol('constant'), Symbol('row'), Symbol('other')]
  const column = (name: string | undefined, found: readonly Made[], isMissing = false): Column => {
    const counts = found.map(({ readings }) => readings.size)
    const readings = counts.some((count) => count > 1) ? [row, other] : [Math.max(0, ...counts) === 0 ? constant : row]
    const value = together(found)
    const isTelling = isMissing || found.some(({ origins, readings: own }) => origins.size === 0 && own.size === 0)
    const told = isTelling ? [...which] : []
    const origins = new Set([...value.origins, ...told])
    const presence = new Set([...value.presence, ...told])
    return { name, made: { ...value, origins, presence, readings: new Set(readings) } }
  }
  const [first] = parts
  const widths = new Set(parts.map(({ columns }) => columns.length))
  const rests = parts.flatMap(({ rest }) => listed(rest))
  if (isByName) {
    const all = parts.flatMap(({ columns }) => columns)
    const names = new Map(all.map(({ name = '' }) => [name.toLowerCase(), name]))
    const columns = [...names].map(([lower, name]) => {
      const same = all.filter((each) => (each.name ?? '').toLowerCase() === lower)
      const isMissing = parts.some((part) => !part.columns.some((each) => same.includes(each)))
      return column(name === '' ? undefined : name, [...same.map(({ made }) => made), ...rests], isMissing)
    })
    return { columns, rest: rests.length === 0 ? undefined : column(undefined, rests).made }
  }
  if (first === undefined || widths.size > 1 || rests.length > 0) {
    const any = column(undefined, parts.flatMap(everyMade)).made
    return { columns: (first?.columns ?? []).map(({ name }) => ({ name, made: any })), rest: any }
  }
  return {
    columns: first.columns.map(({ name }, index) =>
      column(
        name,
        parts.map(({ columns }) => columns[index]?.made ?? UNKNOWN),
      ),
    ),
  }
}

/** Evaluates the recursive part until its origins no longer change. Each iteration derives rows from rows, limited by any condition. */
function followRecursion(node: Node, context: Context): Followed {
  const name = asString(node['cte_name']).toLowerCase()
  const round = Symbol('round')
  const start = follow(node['left'], context)
  let current = renamed(numbered(start), listOf(node['aliases']).map(asString))
  let conditions = start.conditions
  for (;;) {
    const known: Expression = { ...repeated(current, round), conditions, rows: context.rows }
    const expressions = new Map([...context.expressions, [name, known]])
    const next = follow(node['right'], { ...context, expressions, recurs: true })
    const order = new Set([...(current.order ?? []), ...(next.order ?? [])])
    const both = { ...united([current, next], false), order }
    conditions = allOf([start.conditions, next.conditions])
    if (sizeOf(both) === sizeOf(current)) return { ...repeated(both, round), conditions }
    current = both
  }
}

const repeated = ({ columns, rest, order }: Relation, round: Reading): Relation => ({
  order,
  columns: columns.map(({ name, made: part }) => ({ name, made: withReading(part, round) })),
  rest: rest && withReading(rest, round),
})
const sizeOf = (relation: Relation) =>
  everyMade(relation).reduce(
    (sum, { origins, isColumn }) => sum + 2 * origins.size + (isColumn ? 0 : 1),
    relation.order?.size ?? 0,
  )

/** Makes a relation of a FROM visible. @returns the origins of its join conditions */
function from(node: unknown, scope: Scope): Conditions[] {
  if (!isNode(node)) return []
  const alias = asString(node['alias'])
  const names = listOf(node['column_name_alias']).map(asString)
  const show = (name: string, relation: Relation) => {
    scope.visible.push({ alias: name.toLowerCase(), relation: renamed(relation, names) })
  }
  switch (node['type']) {
    case 'EMPTY':
      return []
    case 'BASE_TABLE': {
      const name = asString(node['table_name'])
      const known = scope.expressions.get(name.toLowerCase()) ?? scope.inputs.get(name.toLowerCase())
      const { conditions, ...relation } = known ?? untold(scope)
      if (known !== undefined) addAll(scope.rows, { origins: known.rows })
      show(alias === '' ? name : alias, readAgain(relation))
      return [conditions]
    }
    case 'SUBQUERY': {
      const query = isNode(node['subquery']) ? node['subquery']['node'] : undefined
      const { conditions, ...relation } = follow(query, { ...scope, above: scope })
      show(alias, numbered(lateral(relation, conditions, scope)))
      return [conditions]
    }
    case 'JOIN':
      return join(node, scope)
    case 'TABLE_FUNCTION': {
      const call = isNode(node['function']) ? node['function'] : {}
      show(alias === '' ? asString(call['function_name']) : alias, rowsOfCall(node, call, scope))
      return []
    }
    case 'EXPRESSION_LIST': {
      show(alias, valuesOf(node, scope))
      return []
    }
    case 'PIVOT': {
      const inner = emptyScope({ ...scope, above: scope })
      const conditions = from(node['source'], inner)
      const others = [...childrenOf(node)].filter(([key]) => key !== 'source').map(([, child]) => made(child, inner))
      const all = computed([...everything(inner), ...others, orderedBy(inner)])
      show(alias, { columns: [], rest: withReading(all, Symbol('pivot')) })
      return conditions
    }
    default: {
      const { conditions, ...relation } = untold(scope)
      show(alias, relation)
      return [conditions]
    }
  }
}

/** Table functions with one column, which is named after the function unless an alias is given. */
const ONE_COLUMN: ReadonlySet<string> = new Set(['range', 'generate_series', 'unnest'])

function rowsOfCall(node: Node, call: Node, scope: Scope): Relation {
  const name = asString(call['function_name']).toLowerCase()
  const given = computed([...childrenOf(call)].map(([, child]) => made(child, scope)))
  addAll(scope.rows, given)
  const value = withReading(given, Symbol(name))
  if (!ONE_COLUMN.has(name) || listOf(call['children']).some(isNamedArgument)) return { columns: [], rest: value }
  const columns = [{ name, made: value }]
  const isNumbered = (node['with_ordinality'] ?? 'WITHOUT_ORDINALITY') !== 'WITHOUT_ORDINALITY'
  return { columns: isNumbered ? [...columns, { name: 'ordinality', made: value }] : columns }
}

/** `recursive := true` unnests structs and nested lists as well. */
const isNamedArgument = (argument: unknown) => isNode(argument) && asString(argument['alias']) !== ''

function valuesOf(node: Node, scope: Scope): Relation {
  const names = listOf(node['expected_names']).map(asString)
  const rows = listOf(node['values']).map((row) => listOf(row).map((value) => made(value, scope)))
  const reading = Symbol('values')
  const width = Math.max(0, ...rows.map((row) => row.length))
  return {
    columns: Array.from({ length: width }, (_, index) => ({
      name: names[index] ?? `col${index}`,
      made: withReading(computed(rows.flatMap((row) => listed(row[index]))), reading),
    })),
  }
}

function join(node: Node, scope: Scope): Conditions[] {
  const start = scope.visible.length
  const ofLeft = from(node['left'], scope)
  const leftCount = scope.visible.length
  const ofRight = from(node['right'], scope)
  const conditions = [...ofLeft, ...ofRight]
  const [left, right] = [scope.visible.slice(0, leftCount), scope.visible.slice(leftCount)]
  const shared = node['ref_type'] === 'NATURAL' ? sharedNames(left, right) : listOf(node['using_columns']).map(asString)
  const sides = [left, right]
  if (node['ref_type'] === 'NATURAL') {
    for (const { relation } of scope.visible) if (relation.rest !== undefined) addAll(scope.rows, relation.rest)
  }
  for (const name of shared) {
    const found = sides.map((side) => together(columnsNamed(name, side, bareOf)))
    if (!found.every(({ isColumn }) => isColumn)) for (const part of found) addAll(scope.rows, part)
    conditions.push({ all: computed(found), filters: NOTHING })
    scope.merged.add(name.toLowerCase())
  }
  const matches = isNode(node['condition']) ? [condition(node['condition'], scope)] : []
  conditions.push(...matches)
  const type = asString(node['join_type'])
  if (type === 'SEMI' || type === 'ANTI') scope.visible.length = leftCount
  // Which rows are paired reveals the order of both sides.
  if (node['ref_type'] === 'POSITIONAL')
    fillSometimes(scope.visible, start, scope.visible.length, filteredBy(orderedBy(scope)), [])
  if (OPTIONAL_LEFT.has(type)) fillSometimes(scope.visible, start, leftCount, allOf([...ofLeft, ...matches]), shared)
  if (OPTIONAL_RIGHT.has(type)) {
    fillSometimes(scope.visible, leftCount, scope.visible.length, allOf([...ofRight, ...matches]), shared)
  }
  return conditions
}

/** Joins that keep rows of one side without a partner, with NULL in the other side's columns. */
const OPTIONAL_LEFT: ReadonlySet<string> = new Set(['RIGHT', 'FULL'])
const OPTIONAL_RIGHT: ReadonlySet<string> = new Set(['LEFT', 'FULL'])

/** The rows for which a LATERAL subquery returns a result reveal its filters, as with a scalar subquery. */
function lateral({ columns, rest, order }: Relation, { all, filters }: Conditions, scope: Scope): Relation {
  const before = together(everything(scope)).readings
  const isCorrelated = [...all.readings].some((reading) => before.has(reading))
  const value = (made: Made) => (isCorrelated && !made.isColumn ? filteredValue(made, filters) : made)
  return { columns: columns.map(({ name, made }) => ({ name, made: value(made) })), rest: rest && value(rest), order }
}

const filteredValue = (made: Made, filters: Made): Made => ({
  ...made,
  origins: new Set([...made.origins, ...filters.origins]),
  // A constant differs from row to row if a join makes it NULL in some: it then depends on the rows of its side.
  readings: new Set([...made.readings, ...filters.readings]),
  presence: new Set([...made.presence, ...filters.origins]),
})

/** Whether a column is NULL after a join reveals the filters of the join and the relation. */
function fillSometimes(
  visible: Scope['visible'],
  start: number,
  end: number,
  { filters }: Conditions,
  shared: readonly string[],
): void {
  const sometimes = (made: Made) => filteredValue(made, filters)
  const column = ({ name, made, bare }: Column): Column => {
    const isShared = shared.some((one) => isSame(one, name ?? ''))
    return { name, made: sometimes(made), bare: isShared ? (bare ?? made) : bare && sometimes(bare) }
  }
  for (const [index, { alias, relation }] of visible.slice(start, end).entries()) {
    const { columns, rest, order } = relation
    visible[start + index] = { alias, relation: { columns: columns.map(column), rest: rest && sometimes(rest), order } }
  }
}

type Visible = Scope['visible']

function sharedNames(left: Visible, right: Visible): string[] {
  const namesOf = (side: Visible) => side.flatMap(({ relation }) => relation.columns.flatMap(({ name }) => name ?? []))
  const inRight = new Set(namesOf(right).map((name) => name.toLowerCase()))
  return namesOf(left).filter((name) => inRight.has(name.toLowerCase()))
}

/** The columns with a name, or the origins of unknown columns. */
function columnsNamed(name: string, visible: Visible, valueOf: (column: Column) => Made = ({ made }) => made): Made[] {
  const found = visible.flatMap(({ relation }) => relation.columns.filter((column) => isSame(column.name ?? '', name)))
  return found.length > 0 ? found.map(valueOf) : visible.flatMap(({ relation }) => withoutName(relation))
}

const bareOf = ({ made, bare }: Column): Made => bare ?? made

/** Columns that may have any name. */
const withoutName = ({ columns, rest }: Relation): Made[] =>
  everyMade({ columns: columns.filter(({ name }) => name === undefined), rest })

const everything = ({ visible }: Scope): Made[] => visible.flatMap(({ relation }) => everyMade(relation))

/** The columns of an item in a SELECT's list: one, or those of a star. */
function select(item: unknown, scope: Scope): Relation {
  if (!isNode(item)) return { columns: [], rest: UNKNOWN }
  if (item['class'] === 'STAR' && item['columns'] !== true && !isNode(item['expr'])) return star(item, scope)
  const value = made(item, scope)
  // Columns selected by a pattern or a function, each inserted into the expression; their names are unknown.
  if (hasStar(item)) return { columns: [], rest: value }
  const alias = asString(item['alias'])
  const own = item['class'] === 'COLUMN_REF' ? asString(listOf(item['column_names']).at(-1)) : ''
  const name = [alias, own].find((text) => text !== '')
  if (alias !== '') scope.aliases.set(alias.toLowerCase(), value)
  // A struct is unnested to a column for each of its fields.
  const isTakenApart = asString(item['function_name']).toLowerCase() === 'unnest'
  return { columns: [{ name, made: value }], rest: isTakenApart ? value : undefined }
}

function hasStar(node: Node): boolean {
  if (node['class'] === 'STAR') return true
  if (node['class'] === 'SUBQUERY') return isNode(node['child']) && hasStar(node['child'])
  return [...childrenOf(node)].some(([, child]) => hasStar(child))
}

function star(node: Node, scope: Scope): Relation {
  const of = asString(node['relation_name'])
  const shown = of === '' ? scope.visible : scope.visible.filter(({ alias }) => isSame(alias, of))
  // `s.*` of a struct gives its fields.
  if (of !== '' && shown.length === 0) return { columns: [], rest: resolve([of], scope) }
  const excluded = [...listOf(node['exclude_list']), ...listOf(node['qualified_exclude_list'])].map(columnOf)
  const replaced = pairsOf(node['replace_list']).map(
    ({ key, value }) => [columnOf(key).column, made(value, scope)] as const,
  )
  const names = pairsOf(node['rename_list']).map(({ key, value }) => [columnOf(key), asString(value)] as const)
  const columns: Column[] = []
  const seen = new Set<string>()
  for (const { alias, relation } of shown) {
    const isMeant = ({ table, column }: StarColumn, name: string) =>
      isSame(column, name) && (table === '' || isSame(table, alias))
    for (const { name = '', made: own } of relation.columns) {
      if (excluded.some((column) => isMeant(column, name))) continue
      const lower = name.toLowerCase()
      const isMerged = of === '' && scope.merged.has(lower)
      if (isMerged && seen.has(lower)) continue
      seen.add(lower)
      const other = replaced.find(([column]) => isSame(column, name))?.[1]
      const value = other ?? (isMerged ? resolve([name], scope) : own)
      const rename = names.find(([column]) => isMeant(column, name))?.[1]
      columns.push({ name: rename ?? (name === '' ? undefined : name), made: value })
    }
  }
  const rests = shown.flatMap(({ relation }) => listed(relation.rest))
  const rest = rests.length === 0 ? undefined : computed([...rests, ...replaced.map(([, value]) => value)])
  return { columns, rest }
}

type StarColumn = { readonly table: string; readonly column: string }

const pairsOf = (list: unknown) => listOf(list).filter(isNode)

function columnOf(entry: unknown): StarColumn {
  if (!isNode(entry)) return { table: '', column: asString(entry) }
  return { table: asString(entry['table']), column: asString(entry['column']) }
}

/** Resolves a name: in this SELECT, else in the enclosing one. */
function resolve(names: readonly string[], scope: Scope): Made {
  const [first = '', second] = names.map((name) => name.toLowerCase())
  if (scope.parameters.has(first)) return NOTHING
  const found = second === undefined ? resolveBare(first, scope) : resolveQualified(names, scope)
  const rests = scope.visible.flatMap(({ relation }) => withoutName(relation))
  const isSure = found.length > 0 && !(second === undefined && scope.merged.has(first) && rests.length > 0)
  if (isSure) return together(found)
  const outer = scope.above === undefined ? undefined : resolve(names, scope.above)
  const isOuter = outer !== undefined && !outer.origins.has(ANYTHING)
  const possible = [...found, ...rests, ...(isOuter ? [outer] : [])]
  return possible.length === 0 ? UNKNOWN : together(possible)
}

/** A column, an alias of the SELECT, or a table: its row as a struct. */
function resolveBare(name: string, scope: Scope): Made[] {
  const columns = scope.visible.flatMap(({ relation }) =>
    relation.columns.filter((each) => isSame(each.name ?? '', name)),
  )
  const [first] = columns
  // Columns that a join has merged are equal: their rows are those of the first.
  if (first !== undefined && scope.merged.has(name)) {
    return [{ ...together(columns.map(bareOf)), readings: first.made.readings }]
  }
  if (first !== undefined) return columns.map((column) => column.made)
  const alias = scope.aliases.get(name)
  if (alias !== undefined) return [alias]
  const tables = scope.visible.filter((each) => each.alias === name)
  return tables.length === 0 ? [] : [together(tables.flatMap(({ relation }) => everyMade(relation)))]
}

/** `table.column`, optionally with schemas before it or fields after it; or a field of a column. */
function resolveQualified(names: readonly string[], scope: Scope): Made[] {
  const [first = ''] = names
  const ofTables = names.slice(0, -1).flatMap((table, index) => {
    const tables = scope.visible.filter(({ alias }) => isSame(alias, table))
    return tables.length === 0 ? [] : columnsNamed(names[index + 1] ?? '', tables)
  })
  const columns = scope.visible.flatMap(({ relation }) =>
    relation.columns.filter((each) => isSame(each.name ?? '', first)),
  )
  const alias = scope.aliases.get(first.toLowerCase())
  return [...ofTables, ...columns.map((column) => column.made), ...(ofTables.length > 0 ? [] : listed(alias))]
}

/** Aggregates that say how many rows have a value. */
const COUNTS: ReadonlySet<string> = new Set(['count', 'approx_count_distinct'])

/** Aggregates and window functions whose result depends on the order of the rows, if only among equal ones. */
const IN_ORDER: ReadonlySet<string> = new Set([
  'any_value',
  'approx_top_k',
  'arbitrary',
  'arg_max',
  'arg_max_null',
  'arg_max_nulls_last',
  'arg_min',
  'arg_min_null',
  'arg_min_nulls_last',
  'argmax',
  'argmin',
  'array_agg',
  'fill',
  'first',
  'first_value',
  'group_concat',
  'json_group_array',
  'json_group_object',
  'json_group_structure',
  'lag',
  'last',
  'last_value',
  'lead',
  'list',
  'listagg',
  'max_by',
  'min_by',
  'mode',
  'nth_value',
  'ntile',
  'row_number',
  'string_agg',
])

/** A frame of ROWS depends on the preceding or following rows. */
function isInOrder(call: Node, name: string): boolean {
  return IN_ORDER.has(name) || [call['start'], call['end']].some((bound) => asString(bound).endsWith('_ROWS'))
}

/** Calls that expand one row into several, wherever they occur. */
const GENERATORS: ReadonlySet<string> = new Set(['unnest', 'generate_subscripts', 'regexp_split_to_table'])

/** The origins of an expression, including all its parts. */
function made(node: unknown, scope: Scope): Made {
  if (Array.isArray(node)) return computed(node.map((item) => made(item, scope)))
  if (!isNode(node)) return NOTHING
  switch (node['class']) {
    case 'COLUMN_REF':
      return resolve(listOf(node['column_names']).map(asString), scope)
    case 'POSITIONAL_REFERENCE':
      return computed(everything(scope))
    case 'STAR':
      return computed([...everything(scope), ...partsOf(node, scope)])
    case 'SUBQUERY':
      return subquery(node, scope).value
    case 'LAMBDA':
      return lambda(node, scope)
    case 'FUNCTION':
    case 'WINDOW':
      return call(node, scope)
    default:
      return computed(partsOf(node, scope))
  }
}

const partsOf = (node: Node, scope: Scope) => [...childrenOf(node)].map(([, child]) => made(child, scope))

/**
 * The operand before an arrow is a parameter, or the column of `column -> '$.path'`, if there is one of that name. Parameters of
 * `lambda x: …` have no position.
 */
function lambda(node: Node, scope: Scope): Made {
  const parameters = parametersOf(node)?.map((name) => name.toLowerCase())
  if (parameters === undefined) return computed(partsOf(node, scope))
  const isArrow = isNode(node['lhs']) && locationOf(node['lhs']) !== undefined
  const possible = isArrow ? parameters.map((name) => resolve([name], scope)) : []
  const left = possible.filter(({ origins }) => !origins.has(ANYTHING))
  const inside = { ...scope, parameters: new Set([...scope.parameters, ...parameters]) }
  return computed([...left, made(node['expr'], inside)])
}

function call(node: Node, scope: Scope): Made {
  const name = asString(node['function_name']).toLowerCase()
  const { children, ...others } = node
  const given = listOf(children).map((child) => made(child, scope))
  const isCount = COUNTS.has(name) && given.every(({ isColumn }) => isColumn)
  const counted = isCount ? given.map(presenceOf) : given
  const order = isInOrder(node, name) ? [orderedBy(scope)] : []
  const parts = computed([...receiver(node, scope), ...counted, ...partsOf(others, scope), ...order])
  const isOfRows = node['class'] === 'WINDOW' || (scope.isGrouped && parts.readings.size === 0)
  const value = isOfRows ? { ...parts, readings: together([parts, ...everything(scope)]).readings } : parts
  if (!GENERATORS.has(name)) return value
  addAll(scope.rows, value)
  return withReading(value, Symbol(name))
}

const presenceOf = ({ presence }: Made): Made => ({ ...NOTHING, origins: presence })

/** `mail.upper()` is a call on the column `mail`; the parser sees a function in a schema of that name. */
function receiver(call: Node, scope: Scope): Made[] {
  const names = [asString(call['catalog']), asString(call['schema'])].filter((name) => name !== '')
  if (names.length === 0) return []
  const value = resolve(names, scope)
  return value === UNKNOWN ? [] : [value]
}

/** The origins of a condition; if it compares rows with rows, they also decide how many rows are made of one. */
function condition(node: Node, scope: Scope): Conditions {
  if (node['type'] === 'CONJUNCTION_AND') {
    return allOf(
      listOf(node['children'])
        .filter(isNode)
        .map((part) => condition(part, scope)),
    )
  }
  const { value, isEquality } = comparison(node, scope)
  const isOfSeveral = value.readings.size > 1
  if (scope.recurs || (isOfSeveral && !isEquality)) addAll(scope.rows, value)
  const isMatch = isOfSeveral && isEquality && node['type'] === 'COMPARE_EQUAL'
  return { all: value, filters: isMatch ? NOTHING : value }
}

type Comparison = {
  readonly value: Made
  /** Whether two plain columns are compared. */
  readonly isEquality: boolean
}

const EQUALITIES: ReadonlySet<unknown> = new Set([
  'COMPARE_EQUAL',
  'COMPARE_NOTEQUAL',
  'COMPARE_DISTINCT_FROM',
  'COMPARE_NOT_DISTINCT_FROM',
])

function comparison(node: Node, scope: Scope): Comparison {
  const [negated] = listOf(node['children'])
  if (node['type'] === 'OPERATOR_NOT' && isNode(negated)) {
    const { value, isEquality } = comparison(negated, scope)
    return { value: computed([value]), isEquality }
  }
  if (node['class'] === 'SUBQUERY') return subquery(node, scope)
  if (node['class'] !== 'COMPARISON' || !EQUALITIES.has(node['type']))
    return { value: made(node, scope), isEquality: false }
  const sides = [node['left'], node['right']].map((side) => made(side, scope))
  return { value: computed(sides), isEquality: sides.every(({ isColumn }) => isColumn) }
}

/** A scalar subquery. Comparisons in EXISTS are handled within it. */
function subquery(node: Node, scope: Scope): Comparison {
  const query = isNode(node['subquery']) ? node['subquery']['node'] : undefined
  const result = follow(query, { ...scope, above: scope })
  const isExists = node['subquery_type'] === 'EXISTS'
  const values = isExists ? [] : [made(node['child'], scope), ...everyMade(result)]
  const isIn = node['subquery_type'] === 'ANY' && EQUALITIES.has(node['comparison_type'])
  return {
    value: computed([...values, result.conditions.all]),
    isEquality: isExists || (isIn && values.every(({ isColumn }) => isColumn)),
  }
}
