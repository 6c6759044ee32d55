import type { AdvancedOptions, JobsOptions, Queue } from 'bullmq'
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
function nameOf(key: string): string {
  return encodeURIComponent(key)
}

/** Times that a timer may become active just as it is replaced: more than one in a row is not by chance. */
const TRIES = 4

/** Adds a timer in place of the one under its key, in whatever state that is. */
export async function addTimer(queue: Queue<TimerJob>, key: string, at: Date, timer: unknown): Promise<void> {
  let busy: string | undefined
  for (let tries = 0; tries < TRIES; tries += 1) {
    const id = randomUUID()
    const added = await queue.add(nameOf(key), { key, alarm: timer }, { ...JOB, ...once(key, id, at) })
    // A timer that is being handled stays: BullMQ holds the new one until then (`keepLastIfActive`).
    if (added.id === id || added.id === undefined || added.id === busy) return
    // BullMQ silently does not replace a timer that is due and waits for a free worker.
    const isRemoved = (await queue.remove(added.id)) === 1
    if (!isRemoved) busy = added.id
  }
}

function once(key: string, id: string, at: Date): JobsOptions {
  return {
    jobId: id,
    delay: Math.max(0, at.getTime() - Date.now()),
    deduplication: { id: nameOf(key), replace: true, keepLastIfActive: true },
  }
}

/** Sets or replaces a job scheduler. */
export async function repeatTimer(queue: Queue<TimerJob>, key: string, rhythm: Rhythm, timer: unknown): Promise<void> {
  const { every, timeZone, delayMs } = rhythm
  const pattern = JSON.stringify({ every, timeZone, delayMs })
  await queue.upsertJobScheduler(
    nameOf(key),
    { pattern },
    { name: nameOf(key), data: { key, alarm: timer }, opts: JOB },
  )
}

/** Removes a one-time timer. */
export async function removeTimer(queue: Queue<TimerJob>, key: string): Promise<void> {
  const id = await queue.getDeduplicationJobId(nameOf(key))
  if (id !== null) await queue.remove(id)
}

/** Removes a job scheduler. */
export async function removeRepeated(queue: Queue<TimerJob>, key: string): Promise<void> {
  await queue.removeJobScheduler(nameOf(key))
}
