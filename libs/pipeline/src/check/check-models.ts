import { compare, type Problems, staysBelow, tableName, type YamlText } from '@cinelake/config-text'
import { suggest } from '@cinelake/core'
import { identifier } from '@cinelake/sql'
import type { CheckedModel } from '../checked-pipeline.ts'
import type { PipelineFolder } from '../folder.ts'
import { type CheckedSource, sourceKindOf } from '../source-kinds.ts'
import type { SqlTyper } from '../sql-typer.ts'
import { lintSql } from '../sql/lint.ts'
import { parseAhead, type ParsedQuery, parseQuery, type SqlTable } from '../sql/parse.ts'
import type { PipelineText } from '../text/pipeline-schema.ts'
import { type Model, readModel } from '../text/read-model.ts'
import { checkModel, type Inputs } from './check-model.ts'
import { textsOf } from './check-rules.ts'
import type { Tables } from './tables.ts'

type ModelsContext = {
  readonly text: YamlText
  readonly folder: PipelineFolder
  readonly tables: Tables
  readonly sources: readonly CheckedSource[]
  readonly problems: Problems
}

/** Reads the models, finds their inputs and their order, and checks them one after another. */
export async function checkModels(pipeline: PipelineText, context: ModelsContext): Promise<CheckedModel[]> {
  const written = await readModels(pipeline.models?.path ?? 'models', context)
  const { typer } = context.tables
  const models = typer === undefined ? written : await parseModels(written, typer, context)
  const inputs = new Map(models.map((model) => [model.name, inputsOf(model, context)] as const))
  const { order, circles } = orderByNeeds(new Map([...inputs].map(([name, found]) => [name, found.names])))
  for (const circle of circles) reportCircle(circle, models, context)
  const checked: CheckedModel[] = []
  for (const name of order) {
    const model = models.find((candidate) => candidate.name === name)
    if (model === undefined) continue
    const result = await checkModel(model, inputs.get(name) ?? { names: [], areAll: false }, context)
    if (result !== undefined) checked.push(result)
  }
  return checked
}

async function readModels(path: string, { text, folder, tables, problems }: ModelsContext): Promise<Model[]> {
  if (!staysBelow(path)) {
    problems.error(
      text.at(['models', 'path']),
      `the folder '${path}' is outside of the pipeline's folder`,
      'write it relative to the folder, such as `models`',
    )
    return []
  }
  const names = await folder.list(path)
  const files = names.filter((name) => name.endsWith('.sql'))
  if (names.length === 0 && text.value !== undefined && path !== 'models') {
    problems.error(
      text.at(['models', 'path']),
      `the folder '${path}' is empty or missing`,
      'write the models there, or name another folder',
    )
  }
  const models: Model[] = []
  for (const fileName of files) {
    const file = path === '.' ? fileName : `${path}/${fileName}`
    const name = fileName.slice(0, -'.sql'.length)
    const named = tableName.safeParse(name)
    if (!named.success) {
      problems.error(
        { file, line: 1, column: 1 },
        `'${name}' cannot be the name of a model`,
        named.error.issues.map(({ message }) => message).join(', '),
      )
      continue
    }
    if (!tables.claim(name, { file, line: 1, column: 1 })) continue
    models.push(readModel(name, file, (await folder.read(file)) ?? '', problems))
  }
  return models
}

/** The datasets and models that a model reads, in order of their names. */
function inputsOf(model: Model, context: ModelsContext): Inputs {
  const { tables, problems } = context
  if (model.parsed === undefined) return { names: [], areAll: false }
  for (const { offset, message, remedy } of lintSql(model.sql, model.parsed))
    problems.warning(model.at(offset), message, remedy)
  const inputs = new Set<string>()
  let areAll = true
  for (const table of model.parsed.tables) {
    const known = table.qualifier === undefined ? tables.usedName(table.name) : undefined
    if (known !== undefined) inputs.add(known)
    else areAll = noteOwn(table, { model, inputs, context }) && areAll
  }
  return { names: [...inputs].sort(), areAll }
}

/** Adds a dataset or a model to the inputs. @returns whether it is one */
function noteOwn(
  { name, qualifier, offset }: SqlTable,
  { model, inputs, context }: { readonly model: Model; readonly inputs: Set<string>; readonly context: ModelsContext },
): boolean {
  const { tables, problems } = context
  const known = tables.nameOf(name)
  const at = model.at(offset)
  if (qualifier !== undefined) {
    problems.error(
      at,
      `\`${qualifier}.${name}\` is a table of some schema, or of a pipeline that \`uses\` does not name`,
      known === undefined
        ? `to read a table of the pipeline \`${qualifier}\`, add \`uses: [${qualifier}.${name}]\` to pipeline.yaml; the pipeline's own tables are read by their bare names: ${suggest(name, tables.names)}`
        : `models read datasets and models by their bare names: write \`${known}\`; to read that of the pipeline \`${qualifier}\`, add \`uses: [${qualifier}.${name}]\` to pipeline.yaml`,
    )
    return false
  }
  if (known !== undefined) {
    inputs.add(known)
    return true
  }
  const inOther = tables.usedNames.find((used) => used.toLowerCase().endsWith(`.${name.toLowerCase()}`))
  problems.error(
    at,
    `unknown table \`${name}\``,
    inOther === undefined
      ? (undeclared(name, context) ?? suggest(name, tables.names, 'declare a dataset first'))
      : `tables of other pipelines are read with the pipeline's name: write \`${inOther}\``,
  )
  return false
}

/** The models with their parsed SELECTs. All texts are parsed together. */
async function parseModels(models: readonly Model[], typer: SqlTyper, context: ModelsContext): Promise<Model[]> {
  const rules = models.map((model) => textsOf(model.rules))
  await parseAhead(typer, {
    queries: [
      ...models.flatMap(({ sql, header }) => [sql, ...(header.rowsIn === undefined ? [] : [header.rowsIn])]),
      ...rules.flatMap(({ queries }) => queries),
    ],
    conditions: rules.flatMap(({ conditions }) => conditions),
  })
  const parsed: Model[] = []
  for (const model of models) {
    const query = model.sql === '' ? undefined : await parseQuery(typer, model.sql)
    if (query !== undefined && 'message' in query) {
      context.problems.error(
        model.at(query.offset),
        `the SQL cannot be parsed: ${query.message}`,
        'write one SELECT, in SQL that DuckDB understands',
      )
    }
    const isParsed = query !== undefined && !('message' in query)
    parsed.push(await withUsedTables({ ...model, parsed: isParsed ? query : undefined }, typer, context.tables))
  }
  return parsed
}

/** The model with tables of other pipelines renamed as a build provides them. */
async function withUsedTables(model: Model, typer: SqlTyper, tables: Tables): Promise<Model> {
  const usedNameOf = (qualifier: string, name: string) => tables.usedName(`${qualifier}.${name}`)
  const rewritten = model.parsed === undefined ? undefined : rewriteUsedTables(model.sql, model.parsed, usedNameOf)
  const { rowsIn } = model.header
  const parsedRowsIn = rowsIn === undefined ? undefined : await parseQuery(typer, rowsIn)
  const rewrittenRowsIn =
    rowsIn === undefined || parsedRowsIn === undefined || 'message' in parsedRowsIn
      ? undefined
      : rewriteUsedTables(rowsIn, parsedRowsIn, usedNameOf)
  const header = rewrittenRowsIn === undefined ? model.header : { ...model.header, rowsIn: rewrittenRowsIn.sql }
  if (rewritten === undefined) return { ...model, header }
  const parsed = await parseQuery(typer, rewritten.sql)
  return {
    ...model,
    header,
    sql: rewritten.sql,
    parsed: 'message' in parsed ? undefined : parsed,
    at: (offset) => model.at(rewritten.before(offset)),
  }
}

/** A table that is copied by a pattern has no contract, hence no columns to check a model with. */
function undeclared(name: string, { sources, tables }: ModelsContext): string | undefined {
  const copying = sources.filter((source) => sourceKindOf(source).discovery?.copiesMore(source) === true)
  const source = copying.find((candidate) => name.toLowerCase().startsWith(`${candidate.name.toLowerCase()}_`))
  if (source === undefined || tables.nameOf(name) !== undefined) return undefined
  return `tables that \`${source.name}\` copies without a contract cannot be read by models: declare it under \`sources.${source.name}.datasets\` with a contract`
}

function reportCircle(circle: readonly string[], models: readonly Model[], { problems }: ModelsContext): void {
  const [first = '', second = first] = circle
  const model = models.find(({ name }) => name === first)
  const use = model?.parsed?.tables.find((table) => table.name.toLowerCase() === second.toLowerCase())
  const place = model?.at(use?.offset ?? 0)
  if (place === undefined) return
  const path = [...circle, first].map((name) => `\`${name}\``).join(' → ')
  const what = circle.length === 1 ? `the model \`${first}\` reads itself` : `models need each other: ${path}`
  problems.error(place, what, 'let one of them read the datasets instead, or move what both need to a model of its own')
}

/**
 * Topological sort; by name where the dependencies leave a choice. Exported for tests.
 * @returns the order, and the cycles that prevent one: each as the names along it
 */
export function orderByNeeds(needs: ReadonlyMap<string, readonly string[]>): {
  readonly order: string[]
  readonly circles: string[][]
} {
  const order: string[] = []
  const circles: string[][] = []
  const done = new Set<string>()
  const visit = (name: string, along: readonly string[]): void => {
    const begin = along.indexOf(name)
    if (begin >= 0) circles.push(along.slice(begin))
    if (begin >= 0 || done.has(name)) return
    for (const need of [...(needs.get(name) ?? [])].sort(compare)) if (needs.has(need)) visit(need, [...along, name])
    if (done.has(name)) return
    done.add(name)
    order.push(name)
  }
  for (const name of [...needs.keys()].sort(compare)) visit(name, [])
  return { order, circles }
}

/** A query in which tables of other pipelines have unqualified names. */
type Rewritten = {
  readonly sql: string
  /** Maps an offset to the offset in the original query. */
  before(offset: number): number
}

/**
 * Replaces each table of another pipeline, `ott.dim_title`, by the one name under which a build provides it, `"ott.dim_title"`. The
 * rest of the query still refers to it by its former name: `dim_title`, unless the query gives it an alias.
 * @param usedNameOf the name as `pipeline.table` for a qualified name; undefined if it is left unchanged
 * Exported for tests.
 * @returns undefined if nothing has to be replaced
 */
export function rewriteUsedTables(
  sql: string,
  { tables }: ParsedQuery,
  usedNameOf: (qualifier: string, name: string) => string | undefined,
): Rewritten | undefined {
  const edits = tables
    .flatMap(({ qualifier, name, offset, end, hasAlias }) => {
      const used = qualifier === undefined ? undefined : usedNameOf(qualifier, name)
      if (used === undefined) return []
      return [{ offset, end, text: `${identifier(used)}${hasAlias ? '' : ` AS ${identifier(name)}`}` }]
    })
    .sort((one, other) => one.offset - other.offset)
  if (edits.length === 0) return undefined
  let written = ''
  let from = 0
  const shifts: { readonly at: number; readonly end: number; readonly offset: number; readonly next: number }[] = []
  for (const { offset, end, text } of edits) {
    written += sql.slice(from, offset)
    shifts.push({ at: written.length, end: written.length + text.length, offset, next: end })
    written += text
    from = end
  }
  return {
    sql: written + sql.slice(from),
    before(offset) {
      const last = shifts.findLast(({ at }) => at <= offset)
      if (last === undefined) return offset
      return offset < last.end ? last.offset : last.next + offset - last.end
    },
  }
}
