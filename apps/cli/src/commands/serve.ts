import { ConfigError } from '@cinelake/core'
import { embeddedDirectory } from '@cinelake/database/open'
import { MART_DATABASE, MART_USER, startMartServer } from '@cinelake/warehouse/pglite'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFile, rename, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { CommandContext } from '../command.ts'
import { requireWarehouse } from '../open-parts.ts'
import { toJson } from '../output/format-value.ts'
import { platformConfig } from '../settings.ts'

export type Options = {
  readonly state?: string
  readonly port: number
  readonly timeout?: number
  readonly json?: true
}

/** The loopback interface: other machines have no access to the mart of a laptop. */
const HOST = '127.0.0.1'

export async function serve(options: Options, { terminal, settings, signal }: CommandContext): Promise<void> {
  const config = platformConfig(settings, options.state)
  const directory = embeddedDirectory(config.warehouse)
  if (directory === undefined) {
    throw new ConfigError('the mart is not served from here', [
      'expected the embedded mart (CINELAKE_WAREHOUSE=pglite:DIR), got another: connect your tool to that server, or open that file with it',
    ])
  }
  requireWarehouse(config)
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

/** The same password at the next start, so that tools can store it. */
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
