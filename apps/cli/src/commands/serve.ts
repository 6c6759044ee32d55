import { ConfigError } from '@cinelake/core'
import { embeddedDirectory } from '@cinelake/warehouse/open'
import { MART_DATABASE, MART_USER, startMartServer } from '@cinelake/warehouse/pglite'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFile, rename, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { AddCommand, CommandContext } from '../command.ts'
import { requireDatabase } from '../open-parts.ts'
import { port, positiveNumber, withExamples, withJson, withState } from '../options.ts'
import { toJson } from '../output/format-value.ts'
import { platformConfig } from '../settings.ts'

type Options = { readonly state?: string; readonly port: number; readonly timeout?: number; readonly json?: true }

/** The loopback interface: the mart of a laptop is nobody else's. */
const HOST = '127.0.0.1'

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
    .action(async (options: Options) => await serve(options, context))
  withExamples(withJson(withState(command)), [['cinelake serve --port 5433', 'always at the same address']])
}

async function serve(options: Options, { terminal, settings, signal }: CommandContext): Promise<void> {
  const config = platformConfig(settings, options.state)
  const directory = embeddedDirectory(config.warehouse)
  if (directory === undefined) {
    throw new ConfigError('the mart is not served from here', [
      'expected the embedded mart (CINELAKE_WAREHOUSE=pglite:DIR), got one on a server: connect your tool to that server',
    ])
  }
  requireDatabase(config)
  const passwordFile = path.join(path.dirname(path.resolve(directory)), 'mart-password')
  const password = await passwordIn(passwordFile)
  const timeoutMs = options.timeout === undefined ? config.queryTimeoutMs : options.timeout * 1000
  await using server = await listen({ directory, host: HOST, port: options.port, password, timeoutMs })
  const url = `postgresql://${MART_USER}@${HOST}:${server.port}/${MART_DATABASE}`
  if (options.json === true) {
    terminal.print(
      `${toJson({ url, host: HOST, port: server.port, database: MART_DATABASE, user: MART_USER, passwordFile })}\n`,
    )
  } else {
    terminal.print(
      [
        `The mart is served at ${url}`,
        `  host      ${HOST}`,
        `  port      ${server.port}`,
        `  database  ${MART_DATABASE}`,
        `  user      ${MART_USER}`,
        `  password  in ${passwordFile}`,
        '',
        `  PGPASSWORD=$(cat ${passwordFile}) psql ${url}`,
        '',
        'Ctrl-C ends it.',
        '',
      ].join('\n'),
    )
  }
  if (!signal.aborted) await once(signal, 'abort')
}

/** The same password the next time, so that tools can keep it. */
async function passwordIn(file: string): Promise<string> {
  const found = await readFile(file, 'utf8').catch(() => undefined)
  if (found !== undefined && found.trim() !== '') return found.trim()
  const password = randomBytes(18).toString('base64url')
  const draft = `${file}.${randomBytes(6).toString('hex')}`
  await writeFile(draft, `${password}\n`, { mode: 0o600, flag: 'wx' })
  await rename(draft, file)
  return password
}

async function listen(options: Parameters<typeof startMartServer>[0]): ReturnType<typeof startMartServer> {
  try {
    return await startMartServer(options)
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error) || !['EADDRINUSE', 'EACCES'].includes(String(error.code)))
      throw error
    throw new ConfigError(
      'the mart cannot be served',
      [
        `port ${options.port}: expected a free port, got ${error.code === 'EACCES' ? 'one that is not allowed' : 'one in use'}; name another with --port`,
      ],
      { cause: error },
    )
  }
}
