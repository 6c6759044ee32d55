import { fixedClock } from '@cinelake/testkit'
import { describe, expect, test } from 'vitest'
import { timersContract } from '../contract/timers-contract.ts'
import { createMemoryTimers } from './timers.ts'

const about = { kind: 'task', run: 'shop@2026-03-01', task: 'refine orders', generation: 1, attempt: 1 } as const
const at = (seconds: number) => new Date(Date.parse('2026-03-02T03:00:00Z') + seconds * 1000)

describe('timers contract: memory', () => {
  timersContract(async () => {
    const timers = createMemoryTimers()
    return { open: () => timers, [Symbol.asyncDispose]: () => timers[Symbol.asyncDispose]() }
  })
})

test('a timer goes off once, when its time has come', async () => {
  const clock = fixedClock()
  await using timers = createMemoryTimers({ clock })
  const rung: unknown[] = []
  await using listening = await timers.consume('task', async (timer) => void rung.push(timer))
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

test('a new timer under a key takes the place of the old one, and a cleared one does not go off', async () => {
  const clock = fixedClock()
  await using timers = createMemoryTimers({ clock })
  const rung: number[] = []
  await using listening = await timers.consume('task', async ({ attempt }) => void rung.push(attempt))
  await timers.set('a', at(1), about)
  await timers.set('a', at(2), { ...about, attempt: 2 })
  await timers.set('b', at(2), { ...about, attempt: 3 })
  await timers.clear('task', 'b')

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
