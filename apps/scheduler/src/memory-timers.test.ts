import { fixedClock, until } from '@cinelake/testkit'
import { expect, test } from 'vitest'
import { createMemoryTimers } from './memory-timers.ts'

const about = { kind: 'task', run: 'shop@2026-03-01', task: 'refine orders', generation: 1, attempt: 1 } as const
const at = (seconds: number) => new Date(Date.parse('2026-03-02T03:00:00Z') + seconds * 1000)

test('an alarm goes off once, when its time has come', async () => {
  const clock = fixedClock()
  await using timers = createMemoryTimers({ clock })
  const rung: unknown[] = []
  await using listening = await timers.consume('task', async (alarm) => void rung.push(alarm))
  await timers.set('a', at(10), about)

  clock.advance(9_999)
  await timers.fireDue()
  expect(rung).toEqual([])

  clock.advance(1)
  await timers.fireDue()
  await timers.fireDue()
  expect(rung).toEqual([about])
  expect(listening).toBeDefined()
})

test('a new alarm under a key takes the place of the old one, and a cleared one does not go off', async () => {
  const clock = fixedClock()
  await using timers = createMemoryTimers({ clock })
  const rung: number[] = []
  await using listening = await timers.consume('task', async ({ attempt }) => void rung.push(attempt))
  await timers.set('a', at(1), about)
  await timers.set('a', at(2), { ...about, attempt: 2 })
  await timers.set('b', at(2), { ...about, attempt: 3 })
  await timers.clear('b')

  clock.advance(5000)
  await timers.fireDue()

  expect(rung).toEqual([2])
  expect(listening).toBeDefined()
})

test('one that the handler fails on goes off again', async () => {
  const clock = fixedClock()
  await using timers = createMemoryTimers({ clock })
  let calls = 0
  await using listening = await timers.consume('task', async () => {
    calls += 1
    if (calls === 1) throw new Error('the database is away')
  })
  await timers.set('a', at(0), about)
  await timers.fireDue()
  clock.advance(1000)
  await timers.fireDue()
  await timers.fireDue()

  expect(calls).toBe(2)
  expect(listening).toBeDefined()
})

test('one that goes off while nobody listens waits for somebody', async () => {
  await using timers = createMemoryTimers()
  await timers.set('a', new Date(0), about)
  const rung: unknown[] = []
  await using listening = await timers.consume('task', async (alarm) => void rung.push(alarm))

  await until('it goes off', () => rung.length === 1)
  expect(listening).toBeDefined()
})

test('one that is a year away does not go off at once', async () => {
  await using timers = createMemoryTimers()
  const rung: unknown[] = []
  await using listening = await timers.consume('task', async (alarm) => void rung.push(alarm))
  await timers.set('far', new Date(Date.now() + 365 * 86_400_000), about)
  await timers.set('near', new Date(Date.now() + 5), { ...about, attempt: 2 })

  await until('the near one goes off', () => rung.length > 0)
  expect(rung).toEqual([{ ...about, attempt: 2 }])
  expect(listening).toBeDefined()
})
