import { type Problems, staysBelow, tableName, type YamlText } from '@cinelake/config-text'
import type { CheckedModel } from '../checked/model.ts'
import { suggest } from '@cinelake/core'
import type { PipelineFolder } from '../folder.ts'
import { lintSql } from '../sql/lint.ts'
import { kindOf, type CheckedSource } from '../source-kinds.ts'
import { readModel, type Model } from '../text/read-model.ts'
import type { PipelineText } from '../text/pipeline-schema.ts'
import { parseAhead, parseQuery, type SqlTable } from '../sql/parse.ts'
import { rewriteUsedTables } from '../sql/used-tables.ts'
import { checkModel, type Inputs } from './check-model.ts'
import { textsOf } from './check-rules.ts'
import { orderByNeeds } from './model-order.ts'
import type { SqlTyper } from '../sql-typer.ts'
import type { Tables } from './tables.ts'

export type ModelsContext = {
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
  const nameOf = (qualifier: string, name: string) => tables.usedName(`${qualifier}.${name}`)
  const rewritten = model.parsed === undefined ? undefined : rewriteUsedTables(model.sql, model.parsed, nameOf)
  const { rowsIn } = model.header
  const parsedRowsIn = rowsIn === undefined ? undefined : await parseQuery(typer, rowsIn)
  const rewrittenRowsIn =
    rowsIn === undefined || parsedRowsIn === undefined || 'message' in parsedRowsIn
      ? undefined
      : rewriteUsedTables(rowsIn, parsedRowsIn, nameOf)
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
  const copying = sources.filter((source) => kindOf(source).discovery?.copiesMore(source) === true)
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
