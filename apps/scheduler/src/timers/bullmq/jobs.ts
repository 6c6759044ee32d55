import { type AdvancedOptions, Job, type JobsOptions, type Queue } from 'bullmq'
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { nextDueAt } from '../../schedule/schedule.ts'
import { againAfterMs, type TimerKind, type TimerOf, type Rhythm } from '../timers.ts'

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
export function readTimer<Kind extends TimerKind>(kind: Kind, timer: unknown): TimerOf<Kind> | undefined {
  return TIMERS[kind].safeParse(timer).data as TimerOf<Kind> | undefined
}

/** Delays and attempts that BullMQ takes as unlimited. */
export const WITHOUT_END = 2 ** 31 - 1

/** A handled timer leaves nothing behind; one whose handler failed fires again, without a limit. */
const JOB: JobsOptions = {
  attempts: WITHOUT_END,
  backoff: { type: 'again' },
  removeOnComplete: true,
  removeOnFail: true,
  stackTraceLimit: 0,
}

/** Rules that BullMQ cannot know: when a schedule's next window is due, and how long to wait after a failure. */
export const RULES: AdvancedOptions = {
  // BullMQ intends this for cron patterns, which have no window end, no delay after it, and no month length.
  repeatStrategy: (millis, { pattern = '' }) => nextDueAt(JSON.parse(pattern) as Rhythm, new Date(millis)).getTime(),
  backoffStrategy: (failures) => againAfterMs(failures),
}

/** BullMQ joins names with `:`. */
function encodeKey(key: string): string {
  return encodeURIComponent(key)
}

/** Times that another timer may be written under the key just after the waiting one was removed. */
const TRIES = 4

/** Adds a timer in place of the one under its key, in whatever state that is. */
export async function addTimer(queue: Queue<TimerJob>, key: string, at: Date, timer: unknown): Promise<void> {
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
export async function repeatTimer(queue: Queue<TimerJob>, key: string, rhythm: Rhythm, timer: unknown): Promise<void> {
  const { every, timeZone, delayMs } = rhythm
  const pattern = JSON.stringify({ every, timeZone, delayMs })
  await queue.upsertJobScheduler(
    encodeKey(key),
    { pattern },
    { name: encodeKey(key), data: { key, alarm: timer }, opts: JOB },
  )
}

/** Removes a one-time timer. */
export async function removeTimer(queue: Queue<TimerJob>, key: string): Promise<void> {
  const id = await queue.getDeduplicationJobId(encodeKey(key))
  if (id !== null) await queue.remove(id)
}

/** Removes a job scheduler. */
export async function removeRepeated(queue: Queue<TimerJob>, key: string): Promise<void> {
  await queue.removeJobScheduler(encodeKey(key))
}
