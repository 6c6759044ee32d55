import { isRunFinished, isTaskFinished } from '@cinelake/run-store'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { expectedStates, NOON, simulate, worldOf, type MadeUpDay } from '../../test/simulated-day.ts'
import { decide } from './decide.ts'

const verdict = fc.constantFrom('ok', 'ok', 'transient', 'transient', 'terminal', 'unbalanced')
const verdicts = fc.array(verdict, { maxLength: 5 })
const task = fc.record({ needs: fc.array(fc.nat({ max: 9 }), { maxLength: 3 }), verdicts })
const day: fc.Arbitrary<MadeUpDay> = fc.record({
  tasks: fc.array(task, { minLength: 1, maxLength: 10 }),
  tables: fc.array(verdicts, { maxLength: 4 }),
  maxAttempts: fc.integer({ min: 1, max: 4 }),
})
/** Picks one of the moves that are possible; after the last number always the oldest, so that every simulation ends. */
const choices = fc.array(fc.nat({ max: 1000 }), { maxLength: 300 })
const chooser = (numbers: readonly number[]) => {
  let next = 0
  return (count: number) => (numbers[next++] ?? 0) % count
}

describe('whatever the order, duplication, delay and loss of messages', () => {
  test('a run comes to the same end, in which a failed task fails only what depends on it', () => {
    fc.assert(
      fc.property(day, choices, (day, numbers) => {
        const { run } = simulate(day, chooser(numbers))

        const states = Object.fromEntries([...run.tasks].map(([name, { state }]) => [name, state]))
        expect(states).toEqual(expectedStates(day))
        expect(isRunFinished(run)).toBe(true)
        const isGreen = Object.values(states).every((state) => state === 'succeeded')
        expect(run.state).toBe(isGreen ? 'succeeded' : 'failed')
      }),
      { numRuns: 500 },
    )
  })

  test('no command goes out for a task whose needs are not met, and none twice without a restart', () => {
    fc.assert(
      fc.property(day, choices, (day, numbers) => {
        const sent = new Set<string>()
        for (const { run, commands, changes } of simulate(day, chooser(numbers)).decisions) {
          const isResume = changes.some((task) => task.state === 'queued' && sent.has(keyOf(task)))
          for (const task of commands) {
            for (const need of task.planned.needs) expect(run.tasks.get(need)?.state).toBe('succeeded')
            expect(isResume || !sent.has(keyOf(task))).toBe(true)
            sent.add(keyOf(task))
          }
        }
      }),
    )
  })

  test('tries are bounded by the policy, and every try is reported once', () => {
    fc.assert(
      fc.property(day, choices, (day, numbers) => {
        const { run, decisions } = simulate(day, chooser(numbers))

        for (const task of run.tasks.values()) expect(task.attempt).toBeLessThanOrEqual(day.maxAttempts)
        const reported = decisions.flatMap(({ records }) => records.map((record) => `${record.task} ${record.attempt}`))
        expect(new Set(reported).size).toBe(reported.length)
      }),
    )
  })

  test('a finished task never changes again', () => {
    fc.assert(
      fc.property(day, choices, (day, numbers) => {
        const { decisions, before } = simulate(day, chooser(numbers))

        for (const [index, { changes }] of decisions.entries()) {
          for (const task of changes) {
            const was = before[index]?.tasks.get(task.planned.name)
            expect(was !== undefined && isTaskFinished(was)).toBe(false)
          }
        }
      }),
    )
  })
})

test('tables that are discovered twice are added once', () => {
  fc.assert(
    fc.property(day, choices, (day, numbers) => {
      const allGood = { ...day, tasks: day.tasks.map((task) => ({ ...task, verdicts: [] })) }
      const { run } = simulate(allGood, chooser(numbers))

      expect(run.tasks.size).toBe(day.tasks.length + day.tables.length)
      expect([...run.tasks.values()].map(({ position }) => position)).toEqual(
        [...run.tasks.values()].map((_, at) => at),
      )
    }),
  )
})

test('an input that says nothing new leaves the run as it is, identically', () => {
  fc.assert(
    fc.property(day, choices, (day, numbers) => {
      const { run } = simulate(day, chooser(numbers))
      const about = { task: 'task-0', generation: 1, attempt: 1 }
      const late = { at: NOON.toISOString(), worker: 'late' }

      const again = decide(
        run,
        [{ kind: 'started', ...about, ...late }, { kind: 'due', ...about }, { kind: 'resume' }],
        worldOf(day),
      )

      expect(again.run).toBe(run)
      expect(again).toMatchObject({ changes: [], commands: [], timers: [], removed: [], records: [] })
    }),
  )
})

function keyOf(task: { planned: { name: string }; attempt: number }): string {
  return `${task.planned.name} ${task.attempt}`
}
