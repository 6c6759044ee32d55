import { CONTRACT_VERSION, type Event } from '@cinelake/contracts'
import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { createMetrics } from './metrics.ts'
import { taskMetrics } from './task-metrics.ts'

const header = {
  contract: CONTRACT_VERSION,
  id: randomUUID(),
  run: 'shop@2026-03-01',
  task: 'refine orders',
  generation: 1,
  attempt: 1,
  at: '2026-03-02T03:00:00Z',
  worker: 'host:1',
} as const

test('tasks are counted by kind of work and how they ended, never by table', () => {
  const metrics = createMetrics('transformer')
  const observe = taskMetrics(metrics)
  const balance = { unit: 'rows', in: 10, out: 7, rejected: 2, duplicates: 1 } as const
  const output = { kind: 'table', table: 'orders', version: 1, outcome: 'committed' } as const
  const error = { code: 'FILE_BROKEN', message: 'x', retryable: false, context: {} }
  const events: Event[] = [
    { ...header, kind: 'task.started' },
    { ...header, kind: 'task.succeeded', durationMs: 1500, balance, output, rejects: {}, quality: [] },
    {
      ...header,
      task: 'refine users',
      kind: 'task.succeeded',
      durationMs: 500,
      balance,
      output,
      rejects: {},
      quality: [],
    },
    { ...header, kind: 'task.failed', durationMs: 250, error, quality: [] },
  ]

  for (const event of events) observe(event)

  const text = metrics.render()
  expect(text).toContain('cinelake_task_seconds_sum{work="refine",outcome="succeeded"} 2\n')
  expect(text).toContain('cinelake_task_seconds_count{work="refine",outcome="succeeded"} 2\n')
  expect(text).toContain('cinelake_task_seconds_count{work="refine",outcome="failed"} 1\n')
  expect(text).toContain('cinelake_task_rows_total{work="refine",fate="rejected"} 4\n')
  expect(text).toContain('cinelake_task_errors_total{work="refine",code="FILE_BROKEN"} 1\n')
  expect(text).not.toMatch(/orders|users/)
})
