import type { CommandContext } from '../command.ts'
import { openLakeIfThere } from '../open-parts.ts'
import { plural } from '../output/describe-task.ts'
import { formatTable, layoutOf } from '../output/format-table.ts'
import { formatDuration, formatInstant, toJson } from '../output/format-value.ts'
import { describeTable, type TableFacts } from '../query/describe-table.ts'
import { readWarehouse } from '../read-warehouse.ts'
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
