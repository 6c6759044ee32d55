import type { AddCommand, CommandContext } from '../command.ts'
import { withExamples, withJson, withState } from '../options.ts'
import { formatTable, layoutOf } from '../output/format-table.ts'
import { formatCount, formatInstant, toJson } from '../output/format-value.ts'
import { readWarehouse } from '../read-warehouse.ts'
import { platformConfig } from '../settings.ts'

type Options = { readonly state: string; readonly json?: true }

/** `cinelake tables` */
export const addTables: AddCommand = (program, context) => {
  const command = program
    .command('tables')
    .summary('list the tables of the mart')
    .description('Lists the tables that analysts get, with their rows and the version of the refined table they hold.')
    .action(async (options: Options) => await tables(options, context))
  withExamples(withJson(withState(command)), [
    ['cinelake tables', 'what there is to query'],
    ['cinelake describe orders', 'the columns of one'],
  ])
}

/** Also what `query "SHOW TABLES"` shows. */
export async function tables(options: Options, { terminal, settings }: CommandContext): Promise<void> {
  const loaded = await readWarehouse(platformConfig(settings, options.state), async (warehouse) => {
    const descriptions = new Map((await warehouse.describe()).map(({ name, description }) => [name, description]))
    return (await warehouse.tables()).map((table) => ({ ...table, description: descriptions.get(table.name) ?? null }))
  })
  if (options.json === true) return terminal.print(`${toJson({ tables: loaded })}\n`)
  if (loaded.length === 0) return terminal.print('The mart has no tables yet.\n')
  terminal.print(
    formatTable(
      [
        { title: 'table' },
        { title: 'rows', align: 'right' },
        { title: 'version', align: 'right' },
        { title: 'loaded at' },
        { title: 'description' },
      ],
      loaded.map(({ name, rowCount, version, loadedAt, description }) => [
        name,
        formatCount(rowCount),
        String(version),
        formatInstant(loadedAt),
        firstSentence(description ?? ''),
      ]),
      layoutOf(terminal),
    ),
  )
}

/** `describe` shows the rest. */
function firstSentence(text: string): string {
  return /^[\s\S]*?[.:;](?=\s|$)/.exec(text.trim())?.[0].replaceAll(/\s+/g, ' ') ?? text.trim().replaceAll(/\s+/g, ' ')
}
