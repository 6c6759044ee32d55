import { reportError, type Log } from '@cinelake/core'
import { Job, Queue, Worker, type AdvancedOptions, type JobsOptions } from 'bullmq'
import { ReplyError } from 'ioredis'
import { setTimeout as pause } from 'node:timers/promises'
import type { QueueSettings } from '../settings.ts'
import { againAfterMs, type TimerHandler, type TimerKind, type Timers, type TimerOf, type Rhythm } from '../timers.ts'
import { connectRedis, type RedisConnections } from './connection.ts'
import { createWriteBehind } from './write-behind.ts'
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { nextDueAt } from '../../schedule/schedule.ts'

export type BullmqTimersOptions = {
  readonly log: Log
  /** Milliseconds until a timer whose process died while handling it moves to another process; at most twice that. */
  readonly lockMs?: number
  /** Milliseconds that running handlers, and then pending writes, may take on close. */
  readonly closingMs?: number
}

const LOCK_MS = 20_000
/** Timers of a kind that are handled at once. Inputs of one run are decided together, whatever this number is. */
const CONCURRENCY = 16
/** BullMQ writes every step of a job to an event stream, which has no readers here. */
const EVENTS_KEPT = 100
/** Milliseconds that BullMQ waits after a lost connection before it looks for jobs again. */
const LOOK_AGAIN_MS = 1000
const CLOSING_MS = 5000

/**
 * Timers in Redis, kept by BullMQ: any number of processes share them, each timer is handled by one of them, and by
 * another one if that dies. One queue per kind, so that timers wait for a process that handles their kind.
 *
 * Redis may be down at any time, also now. Writes are asynchronous: timers set meanwhile are written when it is back.
 * @throws {ConfigError} terminal: the address is invalid
 */
export function createBullmqTimers(settings: QueueSettings, options: BullmqTimersOptions): Timers {
  const { log, closingMs = CLOSING_MS } = options
  const redis = connectRedis(settings, log)
  const queues = new Map<TimerKind, Queue<TimerJob>>()
  const consumers = new Set<AsyncDisposable>()
  // A write that Redis rejected will be rejected again; a lost connection or a missing answer proves nothing.
  const mayRetry = (error: unknown) => !(error instanceof ReplyError) || codeOfReply(error) === 'NOSCRIPT'
  const writes = createWriteBehind({ log, lingerMs: closingMs, mayRetry })
  redis.writing.on('ready', () => writes.wake())

  const queueOf = (kind: TimerKind): Queue<TimerJob> => {
    const known = queues.get(kind)
    if (known !== undefined) return known
    const queue = openQueue(kind, settings.prefix, redis)
    queues.set(kind, queue)
    return queue
  }

  /**
   * The client notes per connection which scripts Redis has, and does not hear of it within a transaction when Redis lost one (`NOSCRIPT`),
   * or never took it (`EXECABORT`: out of memory): a new connection sends them again.
   */
  const forgetScripts = (error: unknown): never => {
    const isForgotten = error instanceof ReplyError && ['NOSCRIPT', 'EXECABORT'].includes(codeOfReply(error))
    if (isForgotten && redis.writing.status === 'ready') redis.writing.disconnect(true)
    throw error
  }

  return {
    async set(key, at, timer) {
      writes.put(`${timer.kind} once ${key}`, () => addTimer(queueOf(timer.kind), key, at, timer).catch(forgetScripts))
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
    // Each of these would query Redis when the queue is made, and fail for good when there is no answer.
    skipWaitingForReady: true,
    skipVersionCheck: true,
    skipMetasUpdate: true,
    streams: { events: { maxLen: EVENTS_KEPT } },
  })
  // The caller gets the failure; without a listener it would be thrown as well.
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
      // Without Redis, a worker would wait for an answer that does not come.
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

/** Payload of a BullMQ job. Every version stores it in Redis under these names. */
export type TimerJob = { readonly key: string; readonly alarm: unknown }

const TIMERS = {
  task: z.object({
    kind: z.literal('task'),
    run: z.string(),
    task: z.string(),
    generation: z.int(),
    attempt: z.int(),
  }),
  schedule: z.object({ kind: z.literal('schedule'), pipeline: z.string() }),
} satisfies { [Kind in TimerKind]: z.ZodType<TimerOf<Kind>> }

/**
 * Parses a stored payload, which another version of this service may have written. Undefined when it is not understood.
 */
function readTimer<Kind extends TimerKind>(kind: Kind, timer: unknown): TimerOf<Kind> | undefined {
  return TIMERS[kind].safeParse(timer).data as TimerOf<Kind> | undefined
}

/** Delays and attempts that BullMQ takes as unlimited. */
const WITHOUT_END = 2 ** 31 - 1

/** A handled timer leaves nothing behind; one whose handler failed fires again, without a limit. */
const JOB: JobsOptions = {
  attempts: WITHOUT_END,
  backoff: { type: 'again' },
  removeOnComplete: true,
  removeOnFail: true,
  stackTraceLimit: 0,
}

/** Rules that BullMQ cannot know: when a schedule's next window is due, and how long to wait after a failure. */
const RULES: AdvancedOptions = {
  // BullMQ intends this for cron patterns, which have no window end, no delay after it, and no month length.
  repeatStrategy: (millis, { pattern = '' }) => nextDueAt(JSON.parse(pattern) as Rhythm, new Date(millis)).getTime(),
  backoffStrategy: (failures) => againAfterMs(failures),
}

/** The first word of an error that Redis answers with. Source: redis.io, "RESP simple errors" */
function codeOfReply(error: unknown): string {
  return error instanceof Error ? (error.message.split(' ', 1)[0] ?? '') : ''
}

/** BullMQ joins names with `:`. */
function encodeKey(key: string): string {
  return encodeURIComponent(key)
}

/** Times that another timer may be written under the key just after the waiting one was removed. */
const TRIES = 4

/** Adds a timer in place of the one under its key, in whatever state that is. */
async function addTimer(queue: Queue<TimerJob>, key: string, at: Date, timer: unknown): Promise<void> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const waiting = await placeTimer(queue, key, at, timer)
    if (waiting === undefined) return
    await queue.remove(waiting)
  }
  throw new Error(`timer was not written [key=${key}]: others were written under its key meanwhile`)
}

/**
 * Adds a timer, unless one under its key is due and waits for a free worker: BullMQ silently does not replace that.
 * @returns the id of the job that has to be removed first
 */
async function placeTimer(queue: Queue<TimerJob>, key: string, at: Date, timer: unknown): Promise<string | undefined> {
  const id = randomUUID()
  const transaction = (await queue.backend.client).multi()
  const job = new Job(queue, encodeKey(key), { key, alarm: timer }, { ...JOB, ...once(key, id, at) }, id)
  void job.addJob(transaction)
  // While a timer is handled, BullMQ holds the next one back (`keepLastIfActive`) and answers as if it had dropped it.
  // Asked for later, it may have fired already, and would be added a second time.
  transaction.runCommand('hget', [queue.toKey(`dn:${encodeKey(key)}`), 'jid'])
  const [added, heldBack] = answersOf(await transaction.exec())
  return added === id || heldBack === id ? undefined : String(added)
}

/** The answers of a transaction, in order. @throws {ReplyError} Redis rejected one of its commands */
function answersOf(results: readonly (readonly [Error | null, unknown])[] | null): unknown[] {
  if (results === null) throw new Error('transaction was not carried out')
  return results.map(([error, answer]) => {
    if (error !== null) throw error
    return answer
  })
}

function once(key: string, id: string, at: Date): JobsOptions {
  return {
    jobId: id,
    delay: Math.max(0, at.getTime() - Date.now()),
    deduplication: { id: encodeKey(key), replace: true, keepLastIfActive: true },
  }
}

/** Sets or replaces a job scheduler. */
async function repeatTimer(queue: Queue<TimerJob>, key: string, rhythm: Rhythm, timer: unknown): Promise<void> {
  const { every, timeZone, delayMs } = rhythm
  const pattern = JSON.stringify({ every, timeZone, delayMs })
  await queue.upsertJobScheduler(
    encodeKey(key),
    { pattern },
    { name: encodeKey(key), data: { key, alarm: timer }, opts: JOB },
  )
}

/** Removes a one-time timer. */
async function removeTimer(queue: Queue<TimerJob>, key: string): Promise<void> {
  const id = await queue.getDeduplicationJobId(encodeKey(key))
  if (id !== null) await queue.remove(id)
}

/** Removes a job scheduler. */
async function removeRepeated(queue: Queue<TimerJob>, key: string): Promise<void> {
  await queue.removeJobScheduler(encodeKey(key))
}
