import type { AddCommand } from '../command.ts'
import {
  lazily,
  port,
  positiveInteger,
  positiveNumber,
  SHOWN_ROWS,
  withExamples,
  withJson,
  withState,
} from '../options.ts'

const addRejects: AddCommand = (program, context) => {
  const command = program
    .command('rejects')
    .summary('show the rejected rows of a dataset')
    .description(
      'Shows the rejected rows of a dataset or a model: how many by rule, then the rows themselves with the ' +
        'file and line that each came from. Rows are shown as they were received, personal data included. Rows that broke ' +
        'a rule of severity `warn` are not rejected; up to 1,000 of each rule and window are shown as well, marked so.',
    )
    .argument('<dataset>', 'a dataset or a model; `pipeline.name` where several pipelines have one of that name')
    .option('--window <window>', 'only of this window')
    .option('--rule <rule>', 'only those that broke this rule')
    .option('--limit <rows>', 'rows to show', positiveInteger, 20)
    .action(lazily(context, async () => (await import('../commands/rejects.ts')).rejects))
  withExamples(withJson(withState(command)), [
    ['cinelake rejects orders', 'what is wrong with the orders'],
    ["cinelake rejects orders --rule 'type(amount)' --limit 5", 'five rows with an unreadable amount'],
  ])
}

const addQuery: AddCommand = (program, context) => {
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
    .action(lazily(context, async () => (await import('../commands/query.ts')).query))
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

const addTables: AddCommand = (program, context) => {
  const command = program
    .command('tables')
    .summary('list the tables of the mart')
    .description('Lists the tables that analysts get, with their rows and the version of the refined table they hold.')
    .action(lazily(context, async () => (await import('../commands/tables.ts')).tables))
  withExamples(withJson(withState(command)), [
    ['cinelake tables', 'what there is to query'],
    ['cinelake describe orders', 'the columns of one'],
  ])
}

const addDescribe: AddCommand = (program, context) => {
  const command = program
    .command('describe')
    .summary('show the columns of a table of the mart')
    .description(
      'Shows what is known of a table that analysts read: its columns with their types and descriptions, the key, what is ' +
        'personal data, the pipeline that makes it, and how fresh it is.',
    )
    .argument('<table>', 'a table of the mart')
    .action(lazily(context, async () => (await import('../commands/describe.ts')).describe))
  withExamples(withJson(withState(command)), [['cinelake describe orders', 'what its columns mean']])
}

const addServe: AddCommand = (program, context) => {
  const command = program
    .command('serve')
    .summary('serve the mart to psql, DBeaver, Power BI and other tools')
    .description(
      'Serves the mart of the state directory to tools that speak the PostgreSQL protocol, until Ctrl-C: on this machine only, read ' +
        'only, with a password that is kept in the state directory. Runs and other commands work meanwhile. A mart on a server ' +
        '(CINELAKE_WAREHOUSE) needs no such thing: tools connect to that server.',
    )
    .option('--port <port>', 'the port to listen on; 0 for any free one', port, 0)
    .option('--timeout <seconds>', 'end a statement after this time; 300, or CINELAKE_QUERY_TIMEOUT_S', positiveNumber)
    .action(lazily(context, async () => (await import('../commands/serve.ts')).serve))
  withExamples(withJson(withState(command)), [['cinelake serve --port 5433', 'always at the same address']])
}

const addHistory: AddCommand = (program, context) => {
  const command = program
    .command('history')
    .summary('show the versions of a refined table')
    .description('Shows the versions of a refined table, newest first, and the task that made each.')
    .argument('<table>', 'a dataset or a model; `pipeline.table` where several pipelines have one of that name')
    .option('--limit <versions>', 'versions to show', positiveInteger, 20)
    .action(lazily(context, async () => (await import('../commands/history.ts')).history))
  withExamples(withJson(withState(command)), [['cinelake history sales_by_day', 'who changed it, and when']])
}

/** The commands about tables and rows, in the order of the help. */
export const DATA_COMMANDS = [addRejects, addQuery, addTables, addDescribe, addServe, addHistory]
