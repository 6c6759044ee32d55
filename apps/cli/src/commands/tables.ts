import type { AddCommand, CommandContext } from '../command.ts'
import { openExistingDatabase } from '../open-parts.ts'
import { createWarehouse } from '@cinelake/warehouse/open'
import { withExamples, withJson, withState } from '../options.ts'
import { formatTable } from '../output/format-table.ts'
import { formatCount, formatInstant, toJson } from '../output/format-value.ts'
import { platformConfig } from '../settings.ts'

type Options = { readonly state?: string; readonly json?: true }

/** `cinelake tables` */
export const addTables: AddCommand = (program, context) => {
  const command = program
    .command('tables')
    .summary('list the tables of the mart')
    .description('Lists the tables that analysts get, with their rows and the version of the refined table they hold.')
    .action(async (options: Options) => await tables(options, context))
  withExamples(withJson(withState(command)), [['cinelake tables', 'what there is to query']])
}

async function tables(options: Options, { terminal, settings }: CommandContext): Promise<void> {
  await using database = await openExistingDatabase(platformConfig(settings, options.state))
  await using warehouse = await createWarehouse(database, { isReadOnly: true })
  const loaded = await warehouse.tables()
  if (options.json === true) return terminal.print(`${toJson({ tables: loaded })}\n`)
  if (loaded.length === 0) return terminal.print('The mart has no tables yet.\n')
  terminal.print(
    formatTable(
      [
        { title: 'table' },
        { title: 'rows', align: 'right' },
        { title: 'version', align: 'right' },
        { title: 'loaded at' },
      ],
      loaded.map(({ name, rowCount, version, loadedAt }) => [
        name,
        formatCount(rowCount),
        String(version),
        formatInstant(loadedAt),
      ]),
      { paint: terminal.paint },
    ),
  )
}
