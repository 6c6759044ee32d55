// @module-tag slow: takes long
import { TerminalError, TransientError } from '@cinelake/core'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { aPipeline, DAY, emptied, given, openDatabase, runDay, statesOf, type Behaviour } from '../test/given.ts'
import { virtualTime } from '../test/virtual-time.ts'

const database = await openDatabase()
afterAll(() => database[Symbol.asyncDispose]())
beforeEach(() => emptied(database))

class Away extends TransientError {
  readonly code = 'TEST_AWAY'
}
class Broken extends TerminalError {
  readonly code = 'TEST_BROKEN'
}

/** One table cannot be refined, two tasks need another try, one does not add up: all of it the same every time. */
const behave: Behaviour = ({ task, attempt }) => {
  if (task === 'refine billing_plans') throw new Broken('the file is broken', {})
  if (['ingest drops/orders', 'build order_totals'].includes(task) && attempt === 1) throw new Away('away', {})
  if (task === 'refine billing_devices') return { balance: { unit: 'rows', in: 3, out: 2, rejected: 0, duplicates: 0 } }
  return undefined
}
const tables = () => ['payments', 'plans', 'devices', 'customers']
const QUEUES = ['ingest-files', 'transformer', 'loader', 'events/scheduler']

test.each([1, 2, 3, 4, 5, 6])(
  'schedulers that come and go, a bus that repeats, delays, reorders and refuses: the same end (seed %i)',
  async (seed) => {
    const expected = await undisturbed()

    const { record } = await disturbed(seed)

    expect(statesOf(record)).toEqual(expected)
    expect(record.tasks.every(({ attempt }) => attempt <= 3)).toBe(true)
  },
)

test('one seed is one course of events, so that what it finds can be looked at again', async () => {
  const first = await disturbed(1)
  await emptied(database)
  const second = await disturbed(1)
  await emptied(database)
  const other = await disturbed(2)

  expect(second.course).toEqual(first.course)
  expect(other.course).not.toEqual(first.course)
})

/** A day whose disturbances, and times of work, are decided by a seed. `course` is what was worked on, and when. */
async function disturbed(seed: number) {
  using time = virtualTime(database)
  const random = randomOf(seed)
  const course: string[] = []
  // Work takes as long as a disturbance or two, so that each task meets some.
  const slowly: Behaviour = async (command) => {
    await pause(random() * 15)
    course.push(`${new Date().toISOString()} ${command.task} ${command.attempt}`)
    return await behave(command)
  }
  const bus = { pick: (count: number) => Math.floor(random() * count), maxDeliveryCount: 100 }
  const run = async () => {
    await using it = await given(database, { behave: slowly, tables, bus, random, sweepMs: 25 })
    const { runId } = await it.scheduler.requestRun(aPipeline(), DAY)
    const stop = new AbortController()
    const disturbing = disturb(it, random, stop.signal)
    const record = await it.scheduler.waitFor(runId)
    stop.abort()
    await disturbing
    return record
  }
  return { record: await time.until(run()), course }
}

async function undisturbed() {
  await using it = await given(database, { behave, tables })
  const states = statesOf(await runDay(it.scheduler))
  await emptied(database)
  return states
}

type Given = Awaited<ReturnType<typeof given>>

/** Until told to stop: another replica every few milliseconds, which dies again, and whatever a bus can do wrong. */
async function disturb({ bus, start }: Given, random: () => number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const queue = QUEUES[Math.floor(random() * QUEUES.length)] ?? ''
    if (random() < 0.5) bus.faults.duplicateNext(queue)
    if (random() < 0.3) bus.faults.delayNext(queue, random() * 20)
    if (random() < 0.2) bus.faults.expireLocks(queue)
    if (random() < 0.2) bus.faults.refuseNext(2)
    if (random() < 0.3) {
      // One that hears events like the others, but whose commands get nowhere: it is killed between commit and send.
      const dying = random() < 0.5 ? { bus: { ...bus, send: () => Promise.reject(new Away('killed', {})) } } : {}
      const other = await start({ ...dying, sweepMs: 10_000 })
      if (random() < 0.5) await other.resume()
      await pause(random() * 10)
      await other[Symbol.asyncDispose]()
    }
    await pause(random() * 10)
  }
}

function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
}
