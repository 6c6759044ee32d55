import { spawn, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { until } from './until.ts'

/** An OpenSSH server that serves files of this machine. */
export interface SftpServer extends AsyncDisposable {
  readonly port: number
  readonly user: string
  /** Private key of the user, as OpenSSH writes it. */
  readonly privateKey: string
  /** Host keys as in a file of known hosts: ed25519 and RSA. */
  readonly hostKeys: readonly [ed25519: string, rsa: string]
  /** The directory that is served, by its absolute path. */
  readonly directory: string
  /** Ends all connections at once, as a failing line does; new ones are accepted. */
  cutConnections(): Promise<void>
}

const PROGRAM = '/usr/sbin/sshd'

/** Why there is no such server here; undefined where there is. */
export const withoutSftpServer: string | undefined = existsSync(PROGRAM)
  ? process.geteuid?.() === 0
    ? undefined
    : 'OpenSSH signs in other users than its own as root only'
  : 'needs openssh-server'

/** A new server on a free port, with keys and files in a temporary directory; all are gone on dispose. */
export async function startSftpServer(): Promise<SftpServer> {
  await using starting = new AsyncDisposableStack()
  const root = await mkdtemp(join(tmpdir(), 'cinelake-sftp-'))
  starting.defer(async () => await rm(root, { recursive: true, force: true }))
  const directory = join(root, 'files')
  await mkdir(directory)
  await newKey(join(root, 'host_ed25519'), 'ed25519')
  await newKey(join(root, 'host_rsa'), 'rsa')
  await newKey(join(root, 'user'), 'ed25519')
  await writeFile(join(root, 'authorized_keys'), await readFile(join(root, 'user.pub')))
  await chmod(join(root, 'authorized_keys'), 0o600)
  // Where its processes without privileges live.
  await mkdir('/run/sshd', { recursive: true })
  const port = await freePort()
  const configuration = join(root, 'sshd_config')
  await writeFile(configuration, settings(port, root))

  const server = spawn(PROGRAM, ['-D', '-e', '-f', configuration], { stdio: ['ignore', 'ignore', 'pipe'] })
  const atExit = () => void server.kill('SIGKILL')
  process.once('exit', atExit)
  starting.defer(async () => {
    process.off('exit', atExit)
    await endAll(server)
  })
  let said = ''
  server.stderr.on('data', (text) => (said = `${said}${text}`.slice(-4000)))
  await until('the SFTP server is ready', () => {
    if (server.exitCode !== null) throw new Error(`sshd did not start: ${said}`)
    return said.includes('Server listening')
  })
  const owned = starting.move()
  return {
    port,
    user: userInfo().username,
    privateKey: await readFile(join(root, 'user'), 'utf8'),
    hostKeys: [await publicKey(join(root, 'host_ed25519')), await publicKey(join(root, 'host_rsa'))],
    directory,
    cutConnections: async () => await endChildren(server),
    [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
  }
}

/** The fingerprint of a public key, as `ssh-keygen -l` writes it. */
export function fingerprintOf(publicKey: string): string {
  const [, key = ''] = publicKey.split(' ')
  return `SHA256:${createHash('sha256').update(Buffer.from(key, 'base64')).digest('base64').replace(/=+$/, '')}`
}

function settings(port: number, root: string): string {
  const lines = [
    'ListenAddress 127.0.0.1',
    `Port ${port}`,
    `HostKey ${join(root, 'host_ed25519')}`,
    `HostKey ${join(root, 'host_rsa')}`,
    `AuthorizedKeysFile ${join(root, 'authorized_keys')}`,
    `PidFile ${join(root, 'sshd.pid')}`,
    'StrictModes no',
    'UsePAM no',
    'PermitRootLogin yes',
    'PasswordAuthentication no',
    'Subsystem sftp internal-sftp',
    'MaxStartups 100',
  ]
  return `${lines.join('\n')}\n`
}

async function newKey(file: string, kind: 'ed25519' | 'rsa'): Promise<void> {
  const child = spawn('ssh-keygen', ['-q', '-t', kind, '-N', '', '-f', file], { stdio: 'ignore' })
  const [code] = (await once(child, 'exit')) as [number | null]
  if (code !== 0) throw new Error(`ssh-keygen ended with ${code}`)
}

async function publicKey(file: string): Promise<string> {
  return (await readFile(`${file}.pub`, 'utf8')).split(' ').slice(0, 2).join(' ').trim()
}

/** Each connection has processes of its own, which are the server's children and theirs. */
async function endChildren({ pid }: ChildProcess): Promise<void> {
  for (const child of await childrenOf(pid ?? 0)) {
    for (const grandchild of await childrenOf(child)) kill(grandchild)
    kill(child)
  }
}

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '')
  return text.split(' ').filter(Boolean).map(Number)
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}

async function endAll(server: ChildProcess): Promise<void> {
  await endChildren(server)
  if (server.exitCode !== null || server.signalCode !== null) return
  const ended = once(server, 'exit')
  server.kill('SIGKILL')
  await ended
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
