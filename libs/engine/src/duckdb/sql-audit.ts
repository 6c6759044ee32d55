import {
  ALLOWED_FUNCTIONS,
  ALLOWED_TABLE_FUNCTIONS,
  ANALYST_FUNCTIONS,
  CLOCK_WORDS,
  UNREPEATABLE_FUNCTIONS,
} from './allowed-functions.ts'

/** A construct that is not allowed in a pipeline's SQL, or in a query of an analyst. */
export type SqlObjection = {
  /** Of the function or table, as the engine understands it. */
  readonly name: string
  readonly message: string
  readonly remedy: string
  /** Where, in bytes of the query's text from 0; undefined where the engine does not say. */
  readonly offset: number | undefined
  /** Names that may have been meant. */
  readonly choices?: Iterable<string>
}

type Node = Readonly<Record<string, unknown>>

/** Table expressions that read no data by themselves. */
const RELATIONS: ReadonlySet<unknown> = new Set(['SUBQUERY', 'JOIN', 'EXPRESSION_LIST', 'PIVOT', 'EMPTY'])

/** Kinds of expressions that are looked through. Functions are looked at by name; others are refused. */
const EXPRESSIONS: ReadonlySet<unknown> = new Set(
  ['BETWEEN', 'CASE', 'CAST', 'COLLATE', 'COLUMN_REF', 'COMPARISON', 'CONJUNCTION', 'CONSTANT', 'FUNCTION'].concat(
    'LAMBDA',
    'LAMBDA_REF',
    'OPERATOR',
    'POSITIONAL_REFERENCE',
    'STAR',
    'SUBQUERY',
    'WINDOW',
  ),
)

/** Kinds of queries. */
const QUERIES: ReadonlySet<unknown> = new Set(['SELECT_NODE', 'SET_OPERATION_NODE', 'RECURSIVE_CTE_NODE', 'CTE_NODE'])

/**
 * Finds everything in a query that is not computation over the given tables: the engine's own parser lists the called
 * functions and read tables, whatever the spelling. Unknown constructs are rejected.
 * @param serialized what `json_serialize_sql` gives of the query
 * @param tables that it may read
 */
export function objectionsTo(serialized: unknown, tables: readonly string[]): SqlObjection[] {
  const statements = isNode(serialized) ? serialized['statements'] : undefined
  const [statement] = Array.isArray(statements) ? (statements as unknown[]) : []
  if (!Array.isArray(statements) || statements.length !== 1 || !isNode(statement)) return [notOneSelect()]
  const found: SqlObjection[] = []
  const known = new Set(tables.map((name) => name.toLowerCase()))
  walk(statement['node'], { tables: known, note: (objection) => found.push(objection) })
  return found
}

/**
 * As `objectionsTo`, of an analyst's query: it may read every table but those of the closed schemas, and need not come
 * out the same again. Functions that read or change anything but their arguments are rejected all the same: one that
 * configures the engine's logging can end the process.
 * @param closedSchemas in lower case
 */
export function objectionsToQuery(serialized: unknown, closedSchemas: ReadonlySet<string>): SqlObjection[] {
  const [statement] = isNode(serialized) && Array.isArray(serialized['statements']) ? serialized['statements'] : []
  if (!isNode(statement)) return [notOneSelect()]
  const found: SqlObjection[] = []
  walk(statement['node'], { tables: new Set(), closedSchemas, note: (objection) => found.push(objection) })
  return found
}

/** The parser's error for an invalid text. */
export function complaintOf(serialized: unknown): string | undefined {
  if (!isNode(serialized) || serialized['error'] !== true) return undefined
  if (serialized['error_type'] === 'not implemented') return 'expected one SELECT'
  return `it cannot be parsed: ${textOf(serialized['error_message'])}`
}

/** What is wrong with a text that is no SELECT. @param said the parser's words */
export function notOneSelect(said?: string): SqlObjection {
  return {
    name: '',
    message: said ?? 'expected one SELECT',
    remedy: 'write one SELECT; a PIVOT needs its values (`ON column IN (…)`)',
    offset: undefined,
  }
}

/** Whether a condition, parsed as `SELECT (condition)`, is that and nothing more. */
export function isCondition(serialized: unknown): boolean {
  const statement = isNode(serialized) && Array.isArray(serialized['statements']) ? serialized['statements'][0] : null
  const node: unknown = isNode(statement) ? statement['node'] : undefined
  if (!isNode(node) || node['type'] !== 'SELECT_NODE') return false
  const { select_list: list, from_table: from, modifiers, where_clause: where, having, qualify } = node
  const isBare = [where, having, qualify].every((clause) => clause === null) && isEmpty(modifiers)
  return isBare && Array.isArray(list) && list.length === 1 && isNode(from) && from['type'] === 'EMPTY'
}

type Scope = {
  readonly tables: ReadonlySet<string>
  /** Of an analyst's query; undefined: the SQL is a pipeline's. */
  readonly closedSchemas?: ReadonlySet<string>
  readonly note: (objection: SqlObjection) => void
}

function walk(value: unknown, scope: Scope): void {
  if (Array.isArray(value)) for (const item of value) walk(item, scope)
  if (!isNode(value)) return
  check(value, scope)
  // The call of a table function has been looked at as such: what is left are its arguments.
  if (value['type'] === 'TABLE_FUNCTION' && isNode(value['function'])) return walk(value['function']['children'], scope)
  const inner = withCommonTables(value, scope)
  for (const [key, child] of Object.entries(value)) if (key !== 'cte_map') walk(child, inner)
}

/**
 * Common table expressions are tables for those after them and for the query itself, and for themselves where they
 * recur.
 */
function withCommonTables(node: Node, scope: Scope): Scope {
  let { tables } = scope
  if (node['type'] === 'RECURSIVE_CTE_NODE') tables = new Set([...tables, textOf(node['cte_name']).toLowerCase()])
  const map = isNode(node['cte_map']) ? node['cte_map']['map'] : undefined
  for (const entry of Array.isArray(map) ? (map as unknown[]) : []) {
    if (!isNode(entry)) continue
    walk(entry['value'], { ...scope, tables })
    tables = new Set([...tables, textOf(entry['key']).toLowerCase()])
  }
  return { ...scope, tables }
}

function check(node: Node, scope: Scope): void {
  const { class: kind, type } = node
  if (kind === 'FUNCTION' || kind === 'WINDOW') return checkFunction(node, ALLOWED_FUNCTIONS, scope)
  if (kind === 'COLUMN_REF') return checkColumn(node, scope)
  if (kind !== undefined && !EXPRESSIONS.has(kind)) return refuse(node, String(type), scope)
  if ('from_table' in node || 'setop_type' in node || 'cte_name' in node || 'cte_map' in node) {
    if (!QUERIES.has(type)) refuse(node, String(type), scope)
    return checkSample(node, scope)
  }
  // Tables have a sample, which expressions have not.
  if (!('sample' in node)) return
  checkSample(node, scope)
  if (type === 'BASE_TABLE') checkTable(node, scope)
  else if (type === 'TABLE_FUNCTION') checkTableFunction(node, scope)
  else if (type === 'SHOW_REF' && scope.closedSchemas !== undefined) return
  else if (!RELATIONS.has(type)) refuse(node, String(type), scope)
}

function checkSample(node: Node, scope: Scope): void {
  if ((node['sample'] ?? null) !== null && scope.closedSchemas === undefined) {
    scope.note({
      name: 'TABLESAMPLE',
      message: '`TABLESAMPLE` gives something else at each run',
      remedy: 'filter by a column, such as `WHERE hash_of_key % 10 = 0`',
      offset: offsetOf(node),
    })
  }
}

function checkTable(node: Node, { tables, closedSchemas, note }: Scope): void {
  const qualifier = [textOf(node['catalog_name']), textOf(node['schema_name'])].filter((name) => name !== '')
  const name = [...qualifier, textOf(node['table_name'])].join('.')
  if (closedSchemas !== undefined) {
    if (!closedSchemas.has(textOf(node['schema_name']).toLowerCase())) return
    const remedy = 'read those that `cinelake tables` lists'
    return note({ name, message: `\`${name}\` is none of the tables of the mart`, remedy, offset: offsetOf(node) })
  }
  if (qualifier.length === 0 && tables.has(name.toLowerCase()) && node['at_clause'] === null) return
  note({
    name,
    message: `\`${name}\` is none of the inputs`,
    remedy: 'read datasets and models by their bare names; make what is needed a dataset of a source',
    offset: offsetOf(node),
  })
}

function checkTableFunction(node: Node, scope: Scope): void {
  const call = node['function']
  if (isNode(call)) checkFunction(call, ALLOWED_TABLE_FUNCTIONS, scope)
  else refuse(node, 'TABLE_FUNCTION', scope)
}

/** The schema before a name does not count: no pipeline has functions of its own, so that a name means the engine's. */
function checkFunction(node: Node, allowed: ReadonlySet<string>, scope: Scope): void {
  checkCall(textOf(node['function_name']).toLowerCase(), node, allowed, scope)
  // These take the name of a function as a text.
  if (!/^(?:list|array)_aggr(?:egate)?$|^aggregate$/i.test(textOf(node['function_name']))) return
  for (const argument of Array.isArray(node['children']) ? node['children'].filter(isNode).slice(0, 2) : []) {
    const value = argument['class'] === 'CONSTANT' && isNode(argument['value']) ? argument['value']['value'] : undefined
    if (typeof value === 'string') checkCall(value.toLowerCase(), { ...node, children: [] }, allowed, scope)
  }
}

function checkCall(name: string, node: Node, allowed: ReadonlySet<string>, { closedSchemas, note }: Scope): void {
  const offset = offsetOf(node)
  if (closedSchemas !== undefined) {
    if (allowed.has(name) || UNREPEATABLE_FUNCTIONS.has(name) || ANALYST_FUNCTIONS.has(name)) return
    const message = `\`${name}\` is none of the functions that a query may call`
    return note({ name, message, remedy: 'use functions that compute from their arguments alone', offset })
  }
  if (UNREPEATABLE_FUNCTIONS.has(name) || isAgeOfNow(name, node)) {
    note({
      name,
      message: `\`${name}\` gives something else at each run`,
      remedy: 'use `:window_start` or `:window_end` for the time: a window that is built again must come out the same',
      offset,
    })
  } else if (name === 'error') {
    note({
      name,
      message: '`error` puts what it is given into messages',
      remedy: 'say why a row is wrong in a column `_reject`, or write a rule',
      offset,
    })
  } else if (OUTSIDE.test(name)) {
    note({
      name,
      message: `\`${name}\` reads something other than the inputs`,
      remedy: 'a model reads datasets and models by name; make what it needs a dataset of a source',
      offset,
    })
  } else if (!allowed.has(name)) {
    note({
      name,
      message: `\`${name}\` is none of the functions that SQL of a pipeline may call`,
      remedy: 'use functions that compute from their arguments alone',
      offset,
      choices: allowed,
    })
  }
}

/** `age` of one time is told from now on. In a chain of calls (`born.age()`) that time stands before the name. */
function isAgeOfNow(name: string, node: Node): boolean {
  return name === 'age' && Array.isArray(node['children']) && node['children'].length < 2
}

/** Names that say that files, other databases, settings or the engine itself are read; for the message alone. */
const OUTSIDE =
  /^(?:read_\w+|\w+_scan|glob|sniff_csv|parquet_\w+|getenv|query|query_table|json_execute_serialized_sql|from_substrait\w*|duckdb_\w+|pragma_\w+|pg_\w+|icu_calendar_names|current_setting|getvariable|which_secret|sql_auto_complete|\w+_(?:query|attach))$/

function checkColumn(node: Node, { closedSchemas, note }: Scope): void {
  if (closedSchemas !== undefined) return
  const names = node['column_names']
  const [name = '', ...rest] = Array.isArray(names) ? names.map(textOf) : []
  if (rest.length > 0 || !CLOCK_WORDS.has(name.toLowerCase())) return
  note({
    name,
    message: `\`${name}\` gives something else at each run`,
    remedy: 'use `:window_start` or `:window_end`; a column of this name needs its table before it (`t."…"`)',
    offset: offsetOf(node),
  })
}

/**
 * Constructs of the engine's grammar other than queries over tables: SHOW, parameters, and additions of later versions.
 */
function refuse(node: Node, type: string, { note }: Scope): void {
  const what = type === 'SHOW_REF' ? 'SHOW, DESCRIBE and SUMMARIZE' : type.toLowerCase().replaceAll('_', ' ')
  note({
    name: what,
    message: `${what} cannot be used here`,
    remedy: 'write a SELECT over datasets and models',
    offset: offsetOf(node),
  })
}

function offsetOf(node: Node): number | undefined {
  const location = node['query_location']
  // The greatest number stands for none.
  return typeof location === 'number' && location < Number.MAX_SAFE_INTEGER ? location : undefined
}

const textOf = (value: unknown) => (typeof value === 'string' ? value : '')
const isEmpty = (value: unknown) => Array.isArray(value) && value.length === 0

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
