import { CancelledError } from '@cinelake/core'
import { createHash, timingSafeEqual } from 'node:crypto'
import ssh2, { type SFTPWrapper, type ServerHostKeyAlgorithm } from 'ssh2'
import { placeErrors, PlaceRefusedError, PlaceUnavailableError } from '../errors.ts'
import type { SftpAddress } from './address.ts'

/** A connection to an SFTP server. */
export type SftpSession = {
  readonly sftp: SFTPWrapper
  /** Whether the connection was lost or ended. */
  isOver(): boolean
  end(): void
}

/** Milliseconds for the handshake and signing in. */
const READY_MS = 30_000

/** Milliseconds between two signs of life, and how many may be missing. */
const KEEPALIVE_MS = 10_000
const KEEPALIVE_MISSING = 3

/** A server has a host key of each kind, of which the connection shows one: another of them may be the declared one. */
const KINDS: readonly (readonly ServerHostKeyAlgorithm[])[] = [
  ['ssh-ed25519'],
  ['ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521'],
  ['rsa-sha2-512', 'rsa-sha2-256'],
]

class OtherHostKey extends Error {
  readonly seen: string

  constructor(seen: string) {
    super('the host key is another one')
    this.seen = seen
  }
}

class NoSuchKind extends Error {}

/**
 * Connects and signs in, to a server with a declared host key only.
 * @throws {PLACE_HOST_KEY_UNKNOWN} terminal, with the fingerprints that the server has
 * @throws {PlaceRefusedError} terminal: the user, password or key is not accepted
 * @throws {PlaceUnavailableError} transient
 */
export async function connectTo(address: SftpAddress, signal: AbortSignal | undefined): Promise<SftpSession> {
  const seen: string[] = []
  for (const serverHostKey of KINDS) {
    try {
      return await connectWith(address, serverHostKey, signal)
    } catch (error) {
      if (error instanceof OtherHostKey) seen.push(error.seen)
      else if (!(error instanceof NoSuchKind)) throw error
    }
  }
  throw placeErrors.PLACE_HOST_KEY_UNKNOWN(address.location, seen.join(', ') || 'none of a known kind')
}

async function connectWith(
  address: SftpAddress,
  serverHostKey: readonly ServerHostKeyAlgorithm[],
  signal: AbortSignal | undefined,
): Promise<SftpSession> {
  const { host, port, user: username, location, hostKeys, password, privateKey, passphrase } = address
  const client = new ssh2.Client()
  const ready = Promise.withResolvers<void>()
  let isOver = false
  let other: OtherHostKey | undefined
  const stop = () => ready.reject(new CancelledError(`connecting to ${location}`, { cause: signal?.reason }))
  client.on('ready', () => ready.resolve())
  client.on('error', (error) => ready.reject(error))
  client.on('close', () => {
    isOver = true
    ready.reject(new Error('connection closed'))
  })
  // Some servers ask for the password as an answer to a question.
  client.on('keyboard-interactive', (_name, _instructions, _language, prompts, finish) =>
    finish(prompts.map(() => password ?? '')),
  )
  signal?.addEventListener('abort', stop, { once: true })
  try {
    if (signal?.aborted === true) stop()
    client.connect({
      host,
      port,
      username,
      ...(password !== undefined && { password, tryKeyboard: true }),
      ...(privateKey !== undefined && { privateKey }),
      ...(passphrase !== undefined && { passphrase }),
      algorithms: { serverHostKey: [...serverHostKey] },
      readyTimeout: READY_MS,
      keepaliveInterval: KEEPALIVE_MS,
      keepaliveCountMax: KEEPALIVE_MISSING,
      hostVerifier(key: Buffer) {
        if (hostKeys.some((declared) => isKey(declared, key))) return true
        other = new OtherHostKey(`${fingerprintOf(key)} (${kindOf(key)})`)
        return false
      },
    })
    await ready.promise
    // Requests are small: each would wait for the answer to the one before.
    client.setNoDelay()
    const sftp = await new Promise<SFTPWrapper>((resolve, reject) => {
      client.once('close', () => reject(new Error('connection closed')))
      client.sftp((error, opened) => (error === undefined ? resolve(opened) : reject(error)))
    })
    return { sftp, isOver: () => isOver, end: () => client.end() }
  } catch (error) {
    client.destroy()
    throw other ?? translate(error, location)
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}

function translate(error: unknown, location: string): unknown {
  if (!(error instanceof Error) || error instanceof CancelledError) return error
  if (/no matching host key/i.test(error.message)) return new NoSuchKind()
  const level = 'level' in error ? error.level : undefined
  if (level === 'client-authentication') {
    return new PlaceRefusedError(location, 'sign-in refused', 'check the user, and the secret at `auth`')
  }
  if (/privateKey|private key|passphrase/i.test(error.message)) {
    return new PlaceRefusedError(
      location,
      'private key unusable',
      'expected a private key as OpenSSH or PEM has it, with its `passphrase` if it has one',
    )
  }
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  return new PlaceUnavailableError(location, code ?? error.message)
}

/** As `ssh-keygen -l` writes it. */
function fingerprintOf(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`
}

/** The kind of a key is its first field. Source: RFC 4253, 6.6 */
function kindOf(key: Buffer): string {
  return key.subarray(4, 4 + key.readUInt32BE(0)).toString('latin1')
}

/** @param declared a fingerprint, or a key as in a file of known hosts: `ssh-ed25519 AAAA…` */
function isKey(declared: string, key: Buffer): boolean {
  const fingerprint = /SHA256:[A-Za-z0-9+/]+/.exec(declared)?.[0]
  const [expected, found] =
    fingerprint === undefined
      ? [/AAAA[A-Za-z0-9+/]+={0,2}/.exec(declared)?.[0] ?? '', key.toString('base64')]
      : [fingerprint, fingerprintOf(key)]
  const [one, other] = [Buffer.from(expected), Buffer.from(found)]
  return one.length === other.length && timingSafeEqual(one, other)
}
