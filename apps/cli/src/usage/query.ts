import type { AddCommand } from '../command.ts'
import type { Options } from '../commands/query.ts'
import { positiveInteger, positiveNumber, SHOWN_ROWS, withExamples, withJson, withState } from '../options.ts'

/** `cinelake query "SQL"` */
export const addQuery: AddCommand = (program, context) => {
  const command = program
    .command('query')
    .summary('ask the mart a question in SQL')
    .description(
      'Runs one query (PostgreSQL) on the mart and shows its rows, or writes all of them to a file. Only reading is possible. ' +
        'With --lake the query (DuckDB) is asked of the refined tables of the lake, by their names, and of what was rejected: ' +
        '_rejects.NAME. "NAME@3" is version 3 of a table. Where several pipelines have a table of one name: PIPELINE.NAME.',
    )
    .argument('<sql>', 'one SELECT; tables need no schema in front')
    .option('--lake', 'ask the refined tables and rejects of the lake instead of the mart')
    .option('--limit <rows>', `rows: ${SHOWN_ROWS} are shown, all are written, unless told otherwise`, positiveInteger)
    .option('--timeout <seconds>', 'end the query after this time; 300, or CINELAKE_QUERY_TIMEOUT_S', positiveNumber)
    .option('--vertical', 'show each value in a line of its own')
    .option('--csv', 'all rows as CSV')
    .option('--parquet', 'all rows as Parquet, with --output')
    .option('--xlsx', 'all rows as an Excel workbook, with --output')
    .option(
      '--output <file>',
      'write all rows to this file; its ending says the format (.csv, .parquet, .xlsx, .jsonl)',
    )
    .option('--force', 'replace the file if it is there')
    .option('--guard-formulas', 'CSV: an apostrophe before what a spreadsheet would calculate')
    .action(async (sql: string, options: Options) => {
      const { query } = await import('../commands/query.ts')
      await query(sql, options, context)
    })
  withExamples(withJson(withState(command)), [
    ['cinelake query "SELECT count(*) FROM orders"', 'how many orders there are'],
    ['cinelake query --json --limit 5 "SELECT * FROM sales_by_day"', 'for a program'],
    ['cinelake query "SELECT * FROM orders" --output orders.xlsx', 'for a spreadsheet'],
    [
      'cinelake query --lake "SELECT * FROM _rejects.orders"',
      'rows that broke a rule, with those that only a warning is of',
    ],
  ])
}
