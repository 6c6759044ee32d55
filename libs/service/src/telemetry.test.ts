import { CONTRACT_VERSION, type Event } from '@cinelake/contracts'
import { silentLog } from '@cinelake/core'
import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { openTelemetry, taskMetrics } from './telemetry.ts'

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

/** The samples of a text in the exposition format, by name and labels; each family with its type. */
function parsed(text: string) {
  const types = new Map<string, string>()
  const samples = new Map<string, number>()
  for (const line of text.trimEnd().split('\n')) {
    const [, family, type] = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line) ?? []
    if (family !== undefined && type !== undefined) types.set(family, type)
    const [, name, value] = /^([a-z_0-9]+(?:\{(?:[a-z_]+="(?:[^"\\]|\\.)*",?)+\})?) (\S+)$/.exec(line) ?? []
    if (name !== undefined) samples.set(name, Number(value))
    if (type === undefined && name === undefined && !line.startsWith('# HELP ')) throw new Error(`not a line: ${line}`)
  }
  return { types, samples }
}

const given = () => openTelemetry({ service: 'transformer', settings: {}, log: silentLog, isScraped: true })

test('tasks are counted by kind of work and how they ended, never by table', async () => {
  await using telemetry = await given()
  const observe = taskMetrics(telemetry.meter)
  const balance = { unit: 'rows', in: 10, out: 7, rejected: 2, duplicates: 1 } as const
  const output = { kind: 'table', table: 'orders', version: 1, outcome: 'committed' } as const
  const done = { kind: 'task.succeeded', balance, output, rejects: {}, quality: [] } as const
  const error = { code: 'FILE_BROKEN', message: 'x', retryable: false, context: {} }
  const events: Event[] = [
    { ...header, kind: 'task.started' },
    { ...header, ...done, durationMs: 1500 },
    { ...header, ...done, durationMs: 500, task: 'refine users' },
    { ...header, ...done, durationMs: 50, task: 'ingest crm/users', balance: { ...balance, unit: 'files' } },
    { ...header, kind: 'task.failed', durationMs: 250, error, quality: [] },
  ]

  for (const event of events) observe(event)

  const text = await telemetry.prometheusText()
  const { types, samples } = parsed(text)
  expect(types.get('cinelake_task_seconds')).toBe('histogram')
  expect(types.get('cinelake_task_rows_total')).toBe('counter')
  expect(Object.fromEntries(samples)).toMatchObject({
    'cinelake_task_seconds_sum{work="refine",outcome="succeeded"}': 2,
    'cinelake_task_seconds_count{work="refine",outcome="succeeded"}': 2,
    'cinelake_task_seconds_bucket{work="refine",outcome="succeeded",le="0.5"}': 1,
    'cinelake_task_seconds_count{work="refine",outcome="failed"}': 1,
    'cinelake_task_rows_total{work="refine",fate="rejected"}': 4,
    'cinelake_task_files_total{work="ingest",fate="in"}': 10,
    'cinelake_task_errors_total{work="refine",code="FILE_BROKEN"}': 1,
  })
  expect(text).not.toMatch(/orders|users/)
})

test('the process tells of itself under the names that dashboards know', async () => {
  await using telemetry = await given()
  const { types, samples } = parsed(await telemetry.prometheusText())

  expect(samples.get('cinelake_service_info{service="transformer"}')).toBe(1)
  expect(samples.get('process_resident_memory_bytes')).toBeGreaterThan(1e6)
  expect(samples.get('process_cpu_seconds_total')).toBeGreaterThan(0)
  expect(Object.fromEntries(types)).toEqual({
    cinelake_service_info: 'gauge',
    process_resident_memory_bytes: 'gauge',
    nodejs_heap_used_bytes: 'gauge',
    process_uptime_seconds: 'gauge',
    nodejs_eventloop_delay_p99_seconds: 'gauge',
    process_cpu_seconds_total: 'counter',
  })
})

test('where nothing is collected, counting costs nothing and shows nothing', async () => {
  await using telemetry = await openTelemetry({ service: 'loader', settings: {}, log: silentLog })

  taskMetrics(telemetry.meter)({ ...header, kind: 'task.started' })

  expect(await telemetry.prometheusText()).toBe('')
})
