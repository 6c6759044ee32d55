import { ConfigError, reportError, type Log } from '@cinelake/core'
import { Redis } from 'ioredis'
import type { QueueSettings } from '../settings.ts'

/**
 * Milliseconds between attempts to connect, without a limit on their number: doubled up to the second value, with
 * jitter.
 */
const RETRY_MS = 50
const RETRY_AT_MOST_MS = 2000
/** Milliseconds. */
const CONNECT_TIMEOUT_MS = 5000
/** Milliseconds until an unanswered command counts as failed, unless it blocks on purpose. */
const COMMAND_TIMEOUT_MS = 5000

/** Two connections to one address, which differ in how a lost connection affects a command. */
export type RedisConnections = {
  /** Fails a command at once while there is no connection, and soon when it is not answered: the caller tries again. */
  readonly writing: Redis
  /** Queues commands until there is a connection, as BullMQ's workers need it. */
  readonly working: Redis
  disconnect(): void
}

/**
 * Connects in the background, and again whenever the connection is lost.
 * @throws {ConfigError} terminal: the address is invalid
 */
export function connectRedis(settings: QueueSettings, log: Log): RedisConnections {
  const options = redisOptions(settings)
  const writing = new Redis({
    ...options,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    commandTimeout: COMMAND_TIMEOUT_MS,
  })
  const working = new Redis({ ...options, maxRetriesPerRequest: null })
  const facts = { address: `${options.host}:${options.port}` }
  tellOfOutages(writing, facts, log)
  // Both connections have one address and so the same outage: it is logged once. Without a listener, the client would
  // print it to the console.
  working.on('error', () => undefined)
  writing.on('ready', () => void checkPolicy(writing, facts, log))
  return {
    writing,
    working,
    disconnect() {
      writing.disconnect()
      working.disconnect()
    },
  }
}

/**
 * The client's options for an address. @throws {ConfigError} terminal; never with the address, which may hold a
 * password
 */
export function redisOptions({ url, password }: Pick<QueueSettings, 'url' | 'password'>) {
  const parsed = URL.parse(url)
  const db = Number(parsed?.pathname.replace(/^\//, '') ?? '')
  if (parsed === null || parsed.hostname === '' || !Number.isInteger(db) || db < 0) {
    throw new ConfigError('CINELAKE_QUEUE cannot be used', [
      'expected an address like `redis://HOST:6379` or `rediss://HOST:6380/0`; put a password with special characters in CINELAKE_QUEUE_PASSWORD',
    ])
  }
  const secret = password ?? decodeURIComponent(parsed.password)
  const user = decodeURIComponent(parsed.username)
  return {
    // The brackets of an IPv6 address belong to the URL.
    host: parsed.hostname.replace(/^\[|\]$/g, ''),
    port: parsed.port === '' ? 6379 : Number(parsed.port),
    db,
    ...(user === '' ? {} : { username: user }),
    ...(secret === '' ? {} : { password: secret }),
    ...(parsed.protocol === 'rediss:' ? { tls: {} } : {}),
    connectTimeout: CONNECT_TIMEOUT_MS,
    retryStrategy: (times: number) =>
      Math.min(RETRY_AT_MOST_MS, RETRY_MS * 2 ** Math.min(times, 10)) + Math.random() * 100,
    // A primary that became a replica rejects writes: connecting again finds the new primary (2: and sends again).
    reconnectOnError: (error: Error) => (error.message.startsWith('READONLY') ? (2 as const) : false),
  }
}

/** Logs one line when Redis goes away and one when it is back, whatever the number of attempts in between. */
function tellOfOutages(redis: Redis, facts: Readonly<Record<string, string>>, log: Log): void {
  let isAway = false
  redis.on('error', (error: Error) => {
    if (isAway) return
    isAway = true
    log.warn({ ...facts, error: reportError(error) }, 'Redis is away; the sweep does what timers would have done')
  })
  redis.on('ready', () => {
    if (isAway) log.info(facts, 'Redis is back')
    isAway = false
  })
}

/** A full Redis must reject writes, not evict: a timer that was evicted fires late, by the sweep. */
async function checkPolicy(redis: Redis, facts: Readonly<Record<string, string>>, log: Log): Promise<void> {
  try {
    const policy = /^maxmemory_policy:(\S+)/m.exec(await redis.info('memory'))?.[1]
    if (policy === undefined || policy === 'noeviction') return
    log.warn(
      { ...facts, policy },
      'Redis may drop timers when it is full; set its maxmemory-policy to noeviction to keep them',
    )
  } catch (error) {
    log.debug({ ...facts, error: reportError(error) }, 'the memory policy of Redis could not be read')
  }
}
