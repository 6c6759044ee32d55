import { silentLog } from '@cinelake/core'
import type { Run } from '@cinelake/run-store'
import { openTelemetry } from '@cinelake/service/telemetry'
import { startOtlpReceiver } from '@cinelake/testkit'
import { context, trace } from '@opentelemetry/api'
import { expect, test, vi } from 'vitest'
import { beginPlanned, contextOf, endRunTrace } from './run-trace.ts'

function aRun(label: string, state: Run['state'] = 'running'): Run {
  return {
    id: `shop@${label}`,
    pipeline: 'shop',
    digest: 'd',
    window: { label, start: `${label}T00:00:00Z`, end: `${label}T23:00:00Z` },
    state,
    after: null,
    requestedAt: '2026-03-02T03:00:00.000Z',
    startedAt: '2026-03-02T03:00:01.000Z',
    finishedAt: state === 'running' ? null : '2026-03-02T03:10:00.000Z',
    redo: null,
    tasks: new Map(),
  }
}

test('commands follow from what is of their run, or else from the run itself, in every replica and at any time', async () => {
  await using collector = await startOtlpReceiver()
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', collector.url)
  const settings = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url }
  const telemetry = await openTelemetry({ service: 'scheduler', settings, log: silentLog })
  const send = (name: string, run: Run) => trace.getTracer('test').startSpan(name, {}, contextOf(run)).end()
  const run = aRun('2026-03-01')

  await trace.getTracer('test').startActiveSpan('request', async (request) => {
    await beginPlanned(run, async () => send('first', run))
    request.end()
  })
  trace.getTracer('test').startActiveSpan('event', {}, contextOf(run), (event) => {
    send('next', run)
    send('follower', aRun('2026-03-02'))
    event.end()
  })
  await context.with(contextOf(aRun('2026-03-02')), async () => send('after a timer', run))
  endRunTrace(run)
  endRunTrace(aRun('2026-03-01', 'failed'))
  endRunTrace(aRun('2026-03-02', 'succeeded'))
  await telemetry[Symbol.asyncDispose]()
  vi.unstubAllEnvs()

  const spans = new Map(collector.spans.map((span) => [span.spanId, span]))
  const parents = collector.spans.map(({ name, parentSpanId, attributes }) => {
    const parent = spans.get(parentSpanId ?? '')
    return [
      name,
      parent === undefined ? attributes['cinelake.run'] : `${parent.name} ${String(parent.attributes['cinelake.run'])}`,
    ]
  })
  // By tracer, then in the order of their ends.
  expect(parents).toEqual([
    ['first', 'plan shop@2026-03-01'],
    ['request', undefined],
    ['next', 'event undefined'],
    ['follower', 'run shop@2026-03-02'],
    ['event', 'run shop@2026-03-01'],
    ['after a timer', 'run shop@2026-03-01'],
    ['plan', 'run shop@2026-03-01'],
    ['run', 'shop@2026-03-01'],
    ['run', 'shop@2026-03-02'],
  ])
  expect(collector.spans.filter(({ name }) => name === 'run').map(({ status }) => status)).toEqual([2, 0])
})
