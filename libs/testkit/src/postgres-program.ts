import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, globSync, readFileSync } from 'node:fs'
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import type { StartedPostgres } from './postgres-container.ts'
import { selfSignedCertificate } from './self-signed-certificate.ts'
import { until } from './until.ts'

const USER = 'cinelake'
const PASSWORD = 'te:st p@ss'

/**
 * Nothing of a test has to outlive the machine (but what is committed outlives the server), and several run at once.
 */
const SETTINGS = [
  ['listen_addresses', '127.0.0.1'],
  ['unix_socket_directories', ''],
  ['fsync', 'off'],
  ['full_page_writes', 'off'],
  ['shared_buffers', '64MB'],
  ['max_connections', '50'],
  // For those who ask for it.
  ['ssl', 'on'],
].flatMap(([name, value]) => ['-c', `${name}=${value}`])

/** The directory of PostgreSQL's programs on this machine; the newest of several. */
export function findPrograms(): string | undefined {
  const onPath = (process.env['PATH'] ?? '').split(delimiter)
  const installed = globSync('/usr/lib/postgresql/*/bin').toSorted((a, b) => versionOf(b) - versionOf(a))
  return [...onPath, ...installed].find((directory) =>
    ['postgres', 'initdb'].every((program) => existsSync(join(directory, program))),
  )
}

function versionOf(directory: string): number {
  return Number(dirname(directory).split('/').at(-1))
}

/** Who a program of the server is run as. */
type Owner = { readonly uid?: number; readonly gid?: number }

type Place = {
  readonly programs: string
  readonly directory: string
  readonly owner: Owner
  readonly port: number
  readonly url: string
}

/** A new server on a free port of this machine, with its data in a temporary directory; both are gone on dispose. */
export async function startPostgresProgram(programs: string): Promise<StartedPostgres> {
  await using starting = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'cinelake-postgres-'))
  starting.defer(async () => await rm(directory, { recursive: true, force: true }))
  const owner = ownerOf(directory)
  await initialize(programs, directory, owner)
  const certificate = await certify(directory, owner)
  const port = await freePort()
  const url = `postgres://${USER}:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}/postgres`
  const place = { programs, directory, owner, port, url }
  let server = await startServer(place)
  starting.defer(async () => await server.stop('SIGINT'))
  const owned = starting.move()
  return {
    origin: programs,
    url,
    certificate,
    async crash() {
      await server.stop('SIGQUIT')
      server = await startServer(place)
    },
    [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
  }
}

async function startServer({ programs, directory, owner, port, url }: Place) {
  const args = ['-D', join(directory, 'data'), '-p', String(port), ...SETTINGS]
  const server = spawn(join(programs, 'postgres'), args, {
    ...owner,
    cwd: directory,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const watch = watchOver(server, directory)
  let said = ''
  for (const output of [server.stdout, server.stderr])
    output.on('data', (text) => (said = `${said}${text}`.slice(-2000)))

  async function stop(signal: 'SIGINT' | 'SIGQUIT'): Promise<void> {
    watch.kill('SIGKILL')
    if (server.exitCode !== null || server.signalCode !== null) return
    const ended = once(server, 'exit')
    server.kill(signal)
    await ended
  }

  try {
    await until('PostgreSQL answers', async () => {
      if (server.exitCode !== null) throw new Error(`postgres did not start: ${said}`)
      return await answers(url)
    })
    return { stop }
  } catch (error) {
    await stop('SIGQUIT')
    throw error
  }
}

/**
 * A test process that is killed stops nothing and removes nothing. So a process beside it waits for the end of a pipe
 * that only the test process holds, and does it then.
 */
function watchOver(server: ChildProcess, directory: string): ChildProcess {
  const script = 'cat; kill -QUIT "$1"; rm -rf "$2"'
  const watch = spawn('sh', ['-c', script, 'sh', String(server.pid), directory], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  watch.unref()
  return watch
}

/** PostgreSQL does not run as root; as root, the directory is given to an unprivileged user. */
function ownerOf(directory: string): Owner {
  if (process.getuid?.() !== 0) return {}
  const users = new Map(
    readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .map((line) => line.split(':'))
      .map(([name, , uid, gid]) => [name, { uid: Number(uid), gid: Number(gid) }]),
  )
  const owner = users.get('postgres') ?? users.get('nobody')
  if (owner === undefined)
    throw new Error('PostgreSQL does not run as root: expected a user postgres or the unprivileged one')
  chownSync(directory, owner.uid, owner.gid)
  return owner
}

async function initialize(programs: string, directory: string, owner: Owner): Promise<void> {
  const passwordFile = join(directory, 'password')
  await writeFile(passwordFile, PASSWORD, { mode: 0o644 })
  const options = ['--auth=scram-sha-256', `--username=${USER}`, `--pwfile=${passwordFile}`, '--no-sync']
  await promisify(execFile)(
    join(programs, 'initdb'),
    ['-D', join(directory, 'data'), '--encoding=UTF8', '--locale=C', ...options],
    { ...owner, cwd: directory },
  )
}

/** @returns the file of the certificate by which the server proves who it is */
async function certify(directory: string, { uid, gid }: Owner): Promise<string> {
  const { key, certificate } = selfSignedCertificate()
  const certificateFile = join(directory, 'data', 'server.crt')
  const files = { [join(directory, 'data', 'server.key')]: key, [certificateFile]: certificate }
  for (const [file, text] of Object.entries(files)) {
    await writeFile(file, text, { mode: 0o600 })
    if (uid !== undefined && gid !== undefined) await chown(file, uid, gid)
  }
  return certificateFile
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 1000 })
  client.on('error', () => {})
  try {
    await client.connect()
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => {})
  }
}
