import { reportError, type Log } from '@cinelake/core'
import { Queue, Worker } from 'bullmq'
import { ReplyError } from 'ioredis'
import { setTimeout as pause } from 'node:timers/promises'
import type { QueueSettings } from '../settings.ts'
import type { TimerHandler, TimerKind, Timers } from '../timers.ts'
import { connectRedis, type RedisConnections } from './connection.ts'
import {
  addTimer,
  readTimer,
  removeTimer,
  removeRepeated,
  repeatTimer,
  RULES,
  WITHOUT_END,
  type TimerJob,
} from './jobs.ts'
import { createWriteBehind } from './write-behind.ts'

export type BullmqTimersOptions = {
  readonly log: Log
  /** Milliseconds until a timer whose process died while it handled it goes to another one; at most twice that. */
  readonly lockMs?: number
  /** Milliseconds that the handlers under way, and then what is not written yet, may take when this is closed. */
  readonly closingMs?: number
}

const LOCK_MS = 20_000
/** Timers handled at once, of a kind. What they do to one run is decided together, whatever this is. */
const CONCURRENCY = 16
/** BullMQ writes down every step of a job for whoever listens. Nobody does. */
const EVENTS_KEPT = 100
/** Milliseconds that BullMQ waits after a lost connection before it looks for jobs again. */
const LOOK_AGAIN_MS = 1000
const CLOSING_MS = 5000

/**
 * Timers in Redis, kept by BullMQ: any number of processes share them, each timer is handled by one of them, and by
 * another one when that dies. A queue for each kind, so that timers of a kind wait for somebody who takes it.
 *
 * Redis may be away at any time, also now. Writing is done behind: what is set meanwhile is written when it is back.
 * @throws {ConfigError} terminal: the address cannot be used
 */
export function createBullmqTimers(settings: QueueSettings, options: BullmqTimersOptions): Timers {
  const { log, closingMs = CLOSING_MS } = options
  const redis = connectRedis(settings, log)
  const queues = new Map<TimerKind, Queue<TimerJob>>()
  const consumers = new Set<AsyncDisposable>()
  // What Redis refused for what it is will be refused again; a lost connection or a missing answer says nothing.
  const writes = createWriteBehind({ log, lingerMs: closingMs, mayRetry: (error) => !(error instanceof ReplyError) })
  redis.writing.on('ready', () => writes.wake())

  const queueOf = (kind: TimerKind): Queue<TimerJob> => {
    const known = queues.get(kind)
    if (known !== undefined) return known
    const queue = openQueue(kind, settings.prefix, redis)
    queues.set(kind, queue)
    return queue
  }

  return {
    async set(key, at, timer) {
      writes.put(`${timer.kind} once ${key}`, () => addTimer(queueOf(timer.kind), key, at, timer))
    },
    async repeat(key, rhythm, timer) {
      writes.put(`${timer.kind} again ${key}`, () => repeatTimer(queueOf(timer.kind), key, rhythm, timer))
    },
    async clear(kind, key) {
      writes.put(`${kind} once ${key}`, () => removeTimer(queueOf(kind), key))
      writes.put(`${kind} again ${key}`, () => removeRepeated(queueOf(kind), key))
    },
    async consume(kind, handler) {
      const consumer = startWorker({ kind, handler, prefix: settings.prefix, redis, ...options })
      consumers.add(consumer)
      return {
        async [Symbol.asyncDispose]() {
          consumers.delete(consumer)
          await consumer[Symbol.asyncDispose]()
        },
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...consumers].map((consumer) => consumer[Symbol.asyncDispose]()))
      await writes[Symbol.asyncDispose]()
      await Promise.all([...queues.values()].map((queue) => queue.close()))
      redis.disconnect()
    },
  }
}

function openQueue(kind: TimerKind, prefix: string, { writing }: RedisConnections): Queue<TimerJob> {
  const queue = new Queue<TimerJob>(queueName(kind), {
    connection: writing,
    prefix,
    settings: RULES,
    // All of these would ask Redis something when the queue is made, and give it up for good when there is no answer.
    skipWaitingForReady: true,
    skipVersionCheck: true,
    skipMetasUpdate: true,
    streams: { events: { maxLen: EVENTS_KEPT } },
  })
  // What fails is known to the caller; without a listener it would be thrown as well.
  queue.on('error', () => undefined)
  return queue
}

type WorkerSettings<Kind extends TimerKind> = BullmqTimersOptions & {
  readonly kind: Kind
  readonly handler: TimerHandler<Kind>
  readonly prefix: string
  readonly redis: RedisConnections
}

function startWorker<Kind extends TimerKind>(settings: WorkerSettings<Kind>): AsyncDisposable {
  const { kind, prefix, redis, log, lockMs = LOCK_MS, closingMs = CLOSING_MS } = settings
  const worker = new Worker<TimerJob>(queueName(kind), ({ data }) => handle(settings, data), {
    connection: redis.working,
    prefix,
    settings: RULES,
    concurrency: CONCURRENCY,
    lockDuration: lockMs,
    stalledInterval: lockMs,
    maxStalledCount: WITHOUT_END,
    runRetryDelay: LOOK_AGAIN_MS,
  })
  worker.on('error', (error) => log.debug({ kind, error: reportError(error) }, 'worker of timers met an error'))
  worker.on('stalled', (id) =>
    log.warn({ kind, timer: id }, 'timer was left by a process that is gone; it goes off again'),
  )
  return {
    async [Symbol.asyncDispose]() {
      const giveUp = new AbortController()
      const tooLong = pause(closingMs, undefined, { signal: giveUp.signal }).catch(() => undefined)
      // Without Redis, a worker waits for an answer that does not come.
      await Promise.race([worker.close(), tooLong])
      giveUp.abort()
    },
  }
}

async function handle<Kind extends TimerKind>(
  { kind, handler, log }: WorkerSettings<Kind>,
  { key, alarm: kept }: TimerJob,
): Promise<void> {
  const timer = readTimer(kind, kept)
  if (timer === undefined) return log.warn({ kind, key }, 'timer cannot be read; it is dropped')
  try {
    await handler(timer)
  } catch (error) {
    log.warn({ key, error: reportError(error) }, 'timer was not handled; it goes off again')
    throw error
  }
}

function queueName(kind: TimerKind): string {
  return `alarms-${kind}`
}
