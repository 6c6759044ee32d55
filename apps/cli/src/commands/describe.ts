import { ConfigError, suggest } from '@cinelake/core'
import type { Lake } from '@cinelake/lake'
import { CheckedPipeline } from '@cinelake/pipeline'
import type { ListedTable, MartDescription, Warehouse } from '@cinelake/warehouse'
import type { CommandContext } from '../command.ts'
import { openLakeIfThere, readWarehouse } from '../open-parts.ts'
import { formatTable, layoutOf } from '../output/format-table.ts'
import { formatDuration, formatInstant, toJson } from '../output/format-value.ts'
import { plural } from '../output/run-tables.ts'
import { refinedOnly } from '../query/query-problem.ts'
import { platformConfig } from '../settings.ts'

export type Options = { readonly state?: string; readonly json?: true }

/** Also the output of `query "DESCRIBE TABLE"`. */
export async function describe(table: string, options: Options, context: CommandContext): Promise<void> {
  const { terminal, settings, clock } = context
  const config = platformConfig(settings, options.state)
  await using lake = await openLakeIfThere(config)
  const facts = await readWarehouse(config, async (warehouse) => await describeTable(table, warehouse, lake))
  if (options.json === true) return terminal.print(`${toJson(facts)}\n`)
  terminal.print(formatFacts(facts, layoutOf(terminal), clock()))
}

function formatFacts(facts: TableFacts, layout: ReturnType<typeof layoutOf>, now: Date): string {
  const { paint } = layout
  const { schema, name, description, pipeline, refined, rowCount, version, loadedAt, columns } = facts
  const lines = [
    ...(description === undefined ? [] : [description]),
    ...(pipeline === undefined ? [] : [`made by pipeline ${pipeline}, from its table ${refined ?? name}`]),
    ...(rowCount === undefined || version === undefined || loadedAt === undefined
      ? []
      : [`${plural(rowCount, 'row')}, version ${version}, loaded ${formatInstant(loadedAt)}${ageOf(loadedAt, now)}`]),
  ]
  const table = formatTable(
    [{ title: 'column' }, { title: 'type' }, { title: '' }, { title: 'description' }],
    columns.map((column) => [column.name, column.type, notesOf(column), column.description]),
    layout,
  )
  return `${paint('bold', `${schema}.${name}`)}\n${lines.map((line) => `${line}\n`).join('')}\n${table}`
}

function notesOf({ isKey, required, isPersonal }: TableFacts['columns'][number]): string {
  return [...(isKey ? ['key'] : required ? ['required'] : []), ...(isPersonal ? ['personal'] : [])].join(', ')
}

/** Clocks of two machines differ: a recent load may seem to be in the future. */
function ageOf(loadedAt: string, now: Date): string {
  const age = now.getTime() - Date.parse(loadedAt)
  return age >= 1000 ? `, ${formatDuration(age)} ago` : ''
}

/** The known properties of a table of the mart: from the database, and from the text of its pipeline. */
type TableFacts = {
  readonly schema: string
  readonly name: string
  readonly description: string | undefined
  readonly pipeline: string | undefined
  /** The refined table that is served. */
  readonly refined: string | undefined
  readonly rowCount: number | undefined
  readonly version: number | undefined
  readonly loadedAt: string | undefined
  readonly columns: readonly {
    readonly name: string
    readonly type: string
    readonly required: boolean
    readonly isKey: boolean
    readonly isPersonal: boolean
    readonly description: string | undefined
  }[]
}

/** @param name with or without its schema @throws {ConfigError} terminal: the mart has no such table, or several */
export async function describeTable(name: string, warehouse: Warehouse, lake: Lake | undefined): Promise<TableFacts> {
  const described = await warehouse.describe()
  const found = described.filter((table) => [table.name, `${table.schema}.${table.name}`].includes(name))
  const [table, ...others] = found
  if (table === undefined) {
    const hint =
      (await refinedOnly(lake, name)) ??
      suggest(
        name,
        described.map((each) => each.name),
        'the mart has no tables yet: run a pipeline first',
      )
    throw new ConfigError('there is no such table', [`${name}: ${hint}`])
  }
  if (others.length > 0) throw ambiguous(name, found)
  const loaded = (await warehouse.tables()).find(
    ({ schema, name: loadedName }) => schema === table.schema && loadedName === table.name,
  )
  const pipelines = lake === undefined ? [] : await latestPipelines(lake)
  return factsOf(table, loaded, pipelines)
}

function ambiguous(name: string, found: readonly MartDescription[]): ConfigError {
  const schemas = found.map(({ schema }) => schema)
  return new ConfigError('the table is not told apart', [
    `${name} is in ${schemas.join(' and ')}: write ${schemas.map((schema) => `${schema}.${name}`).join(' or ')}`,
  ])
}

function factsOf(
  table: MartDescription,
  loaded: ListedTable | undefined,
  pipelines: readonly CheckedPipeline[],
): TableFacts {
  const { schema, name } = table
  const owner = pipelines.find((pipeline) => pipeline.name === loaded?.pipeline)
  const served = owner?.serve.find((each) => each.as === name)
  const contract = owner?.datasets.find((dataset) => dataset.name === served?.table)?.contract
  return {
    schema,
    name,
    description: table.description ?? served?.description,
    pipeline: loaded?.pipeline,
    refined: served?.table,
    rowCount: loaded?.rowCount,
    version: loaded?.version,
    loadedAt: loaded?.loadedAt,
    columns: table.columns.map((column) => ({
      ...column,
      description: column.description ?? served?.columns.find((each) => each.name === column.name)?.description,
      isPersonal: contract?.columns.find((each) => each.name === column.name)?.personal !== undefined,
    })),
  }
}

/** The text of each pipeline's newest runs. */
async function latestPipelines(lake: Lake): Promise<CheckedPipeline[]> {
  const newest = new Map<string, { readonly path: string; readonly at: number }>()
  for await (const { path, modifiedAt } of lake.list('pipelines')) {
    const [, pipeline = ''] = path.split('/')
    const at = modifiedAt.getTime()
    if (path.endsWith('.json') && at >= (newest.get(pipeline)?.at ?? 0)) newest.set(pipeline, { path, at })
  }
  const texts = await Promise.all([...newest.values()].map(async ({ path }) => await lake.readText(path)))
  return texts.flatMap((text) => {
    // The text may be from another release: then nothing is known of it.
    const parsed = CheckedPipeline.safeParse(text === undefined ? undefined : jsonOf(text))
    return parsed.success ? [parsed.data] : []
  })
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
