import type { AddCommand } from '../command.ts'
import type { Options } from '../commands/serve.ts'
import { positiveNumber, port, withExamples, withJson, withState } from '../options.ts'

/** `cinelake serve` */
export const addServe: AddCommand = (program, context) => {
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
    .action(async (options: Options) => {
      const { serve } = await import('../commands/serve.ts')
      await serve(options, context)
    })
  withExamples(withJson(withState(command)), [['cinelake serve --port 5433', 'always at the same address']])
}
