import type { AddCommand, CommandContext } from '../command.ts'
import { openExistingDatabase } from '../open-parts.ts'
import { createWarehouse } from '@cinelake/warehouse/open'
import { positiveInteger, withExamples, withJson, withState } from '../options.ts'
import { toJson } from '../output/format-value.ts'
import { formatResult } from '../output/format-result.ts'
import { plural } from '../output/describe-task.ts'
import { platformConfig } from '../settings.ts'

type Options = { readonly state?: string; readonly limit: number; readonly json?: true }

/** `cinelake query "SQL"` */
export const addQuery: AddCommand = (program, context) => {
  const command = program
    .command('query')
    .summary('ask the mart a question in SQL')
    .description('Runs one query (PostgreSQL) on the mart and shows its rows. Only reading is possible.')
    .argument('<sql>', 'one SELECT; tables need no schema in front')
    .option('--limit <rows>', 'rows to show', positiveInteger, 100)
    .action(async (sql: string, options: Options) => await query(sql, options, context))
  withExamples(withJson(withState(command)), [
    ['cinelake query "SELECT count(*) FROM orders"', 'how many orders there are'],
    ['cinelake query --json --limit 5 "SELECT * FROM sales_by_day"', 'for a program'],
  ])
}

async function query(sql: string, options: Options, { terminal, settings, signal }: CommandContext): Promise<void> {
  await using database = await openExistingDatabase(platformConfig(settings, options.state))
  await using warehouse = await createWarehouse(database, { isReadOnly: true })
  const result = await warehouse.query(sql, { limit: options.limit, signal })
  if (options.json === true) return terminal.print(`${toJson(result)}\n`)
  const { rows, truncated } = result
  const more = truncated ? `; there are more, see --limit` : ''
  terminal.print(formatResult(result, { paint: terminal.paint }))
  terminal.note(terminal.paint('dim', `(${plural(rows.length, 'row')}${more})`) + '\n')
}
