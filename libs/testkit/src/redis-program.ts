import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, rmSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { until } from './until.ts'

/** A Redis server for tests; whose it is, `origin` says. */
export interface RedisServer extends AsyncDisposable {
  readonly origin: string
  /** With its password. */
  readonly url: string
  readonly host: string
  readonly port: number
  /** Stops and starts it. Undefined where the server is not the tests' own. */
  readonly process: RedisProcess | undefined
}

export type RedisProcess = {
  /** Ends it at once, as a crash does. Every write that it has answered is on disk. */
  kill(): Promise<void>
  /** Starts it again, with what it had or empty. */
  start(data: 'kept' | 'lost'): Promise<void>
}

const PASSWORD = 'te:st p@ss'

/** The program on this machine, if it has it. */
export function findRedisProgram(): string | undefined {
  const directories = (process.env['PATH'] ?? '').split(delimiter)
  return directories.map((directory) => join(directory, 'redis-server')).find((program) => existsSync(program))
}

/** A new server on a free port of this machine, with its data in a temporary directory; both are gone on dispose. */
export async function startRedisProgram(program: string): Promise<RedisServer> {
  await using starting = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'cinelake-redis-'))
  starting.defer(async () => await rm(directory, { recursive: true, force: true }))
  const data = join(directory, 'data')
  const port = await freePort()
  const configuration = join(directory, 'redis.conf')
  await writeFile(configuration, settings(port, data), { mode: 0o600 })

  let server = await start()
  // A test process that ends early would leave it behind.
  const atExit = () => {
    server.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true })
  }
  process.once('exit', atExit)
  starting.defer(async () => {
    process.off('exit', atExit)
    await kill()
  })
  const owned = starting.move()
  return {
    origin: program,
    url: `redis://:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}`,
    host: '127.0.0.1',
    port,
    process: {
      kill,
      async start(kept) {
        if (kept === 'lost') await rm(data, { recursive: true, force: true })
        server = await start()
      },
    },
    [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
  }

  async function start(): Promise<ChildProcess> {
    await mkdir(data, { recursive: true })
    const child = spawn(program, [configuration], { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    for (const output of [child.stdout, child.stderr])
      output.on('data', (text) => (said = `${said}${text}`.slice(-2000)))
    await until('Redis is ready', () => {
      if (child.exitCode !== null) throw new Error(`redis-server did not start: ${said}`)
      return said.includes('Ready to accept connections')
    })
    return child
  }

  async function kill(): Promise<void> {
    if (server.exitCode !== null || server.signalCode !== null) return
    const ended = once(server, 'exit')
    server.kill('SIGKILL')
    await ended
  }
}

/** What it has answered to is on disk, so that a crash loses nothing but what the test says. */
function settings(port: number, data: string): string {
  const lines = [
    'bind 127.0.0.1',
    `port ${port}`,
    `dir "${data}"`,
    `requirepass "${PASSWORD}"`,
    'appendonly yes',
    'appendfsync always',
    'save ""',
  ]
  return `${lines.join('\n')}\n`
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
