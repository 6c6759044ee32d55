import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { existsSync } from 'node:fs'
import { until } from './until.ts'

/** A server that speaks S3. */
export interface S3Server extends AsyncDisposable {
  /** `http://127.0.0.1:PORT` */
  readonly endpoint: string
}

/** A Python that has `moto[server,s3]`. */
const PYTHON = process.env['CINELAKE_TEST_MOTO_PYTHON']
const PROGRAM = PYTHON === undefined ? '' : join(dirname(PYTHON), 'moto_server')

/** Why there is no such server here; undefined where there is. */
export const withoutS3Server: string | undefined =
  PYTHON === undefined
    ? 'needs CINELAKE_TEST_MOTO_PYTHON: a Python with moto[server,s3]'
    : existsSync(PROGRAM)
      ? undefined
      : `there is no ${PROGRAM}`

/** A new and empty server on a free port. It takes any keys. */
export async function startS3Server(): Promise<S3Server> {
  const port = await freePort()
  const server = spawn(PROGRAM, ['-H', '127.0.0.1', '-p', String(port)], { stdio: ['ignore', 'ignore', 'pipe'] })
  const atExit = () => void server.kill('SIGKILL')
  process.once('exit', atExit)
  let said = ''
  server.stderr.on('data', (text) => (said = `${said}${text}`.slice(-4000)))
  await until('the S3 server is ready', () => {
    if (server.exitCode !== null) throw new Error(`moto_server did not start: ${said}`)
    return said.includes('Running on')
  })
  return {
    endpoint: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      process.off('exit', atExit)
      if (server.exitCode !== null || server.signalCode !== null) return
      const ended = once(server, 'exit')
      server.kill('SIGKILL')
      await ended
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
