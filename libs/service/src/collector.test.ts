import { silentLog } from '@cinelake/core'
import { recordingLog, startHttp, startOtlpReceiver, until, type OtlpReceiver } from '@cinelake/testkit'
import { context, trace } from '@opentelemetry/api'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { createHttpServer } from './http.ts'
import { openTelemetry, startSpanAs, type TelemetryOptions } from './telemetry.ts'

afterEach(() => void vi.unstubAllEnvs())

/** Telemetry of a process with these settings; the exporters read them from the environment themselves. */
async function given(settings: Readonly<Record<string, string>>, options: Partial<TelemetryOptions> = {}) {
  for (const [name, value] of Object.entries(settings)) vi.stubEnv(name, value)
  return await openTelemetry({ service: 'loader', settings, log: silentLog, ...options })
}

const at = ({ url }: Pick<OtlpReceiver, 'url'>) => ({ OTEL_EXPORTER_OTLP_ENDPOINT: url })

describe('a collector that the settings name', () => {
  test('is sent spans and metrics of the service, with what the settings say of it', async () => {
    await using collector = await startOtlpReceiver()
    const named = { OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test', OTEL_SERVICE_NAME: 'loader-eu' }
    const telemetry = await given({ ...at(collector), ...named })

    trace.getTracer('test').startActiveSpan('outer', (outer) => {
      trace.getTracer('test').startSpan('inner').end()
      outer.end()
    })
    await telemetry[Symbol.asyncDispose]()

    const [inner, outer] = collector.spans
    expect([outer, inner]).toMatchObject([
      { name: 'outer', service: 'loader-eu', parentSpanId: undefined },
      { name: 'inner', parentSpanId: outer?.spanId, traceId: outer?.traceId },
    ])
    expect(collector.metrics.get('process_resident_memory_bytes')).toMatchObject({
      'service.name': 'loader-eu',
      'service.namespace': 'cinelake',
      'deployment.environment.name': 'test',
    })
  })

  test('is sent nothing that the settings switch off', async () => {
    await using collector = await startOtlpReceiver()

    for (const off of [
      { OTEL_SDK_DISABLED: 'true' },
      { OTEL_TRACES_EXPORTER: 'none', OTEL_METRICS_EXPORTER: 'none' },
    ]) {
      const telemetry = await given({ ...at(collector), ...off })
      trace.getTracer('test').startSpan('one').end()
      await telemetry[Symbol.asyncDispose]()
    }

    expect(collector.requests).toEqual([])
  })

  test('gets a span under the ids that were agreed, whoever starts it', async () => {
    await using collector = await startOtlpReceiver()
    const telemetry = await given(at(collector))
    const ids = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' }

    const [one, other] = [startSpanAs('run', ids, {}), startSpanAs('run', ids, {})]
    const child = trace.getTracer('test').startSpan('child', {}, trace.setSpan(context.active(), other))
    child.end()
    one.end()
    await telemetry[Symbol.asyncDispose]()

    expect(collector.spans).toMatchObject([
      { name: 'child', traceId: ids.traceId, parentSpanId: ids.spanId },
      { name: 'run', ...ids, parentSpanId: undefined },
    ])
    expect(collector.spans[0]?.spanId).not.toBe(ids.spanId)
  })
})

describe('a collector that cannot be reached', () => {
  test.each([
    ['refuses connections', async () => ({ url: 'http://127.0.0.1:1', async [Symbol.asyncDispose]() {} })],
    ['never answers', () => startHttp(() => {})],
    ['fails', () => startHttp((_request, response) => response.writeHead(500).end())],
  ])(
    'because it %s costs a warning; work goes on, and the end of the process waits for it a moment',
    async (_, start) => {
      await using collector = await start()
      const log = recordingLog()
      // Longer than any test: what ends in time ends by our limit.
      const telemetry = await given({ ...at(collector), OTEL_EXPORTER_OTLP_TIMEOUT: '600000' }, { log })

      for (let count = 0; count < 10_000; count++) trace.getTracer('test').startSpan('work').end()
      await telemetry[Symbol.asyncDispose]()

      expect(log.lines).toMatchObject([{ level: 'warn', message: 'telemetry is not delivered; work continues' }])
    },
  )
})

describe('a request', () => {
  const SPAN = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'

  async function givenServer() {
    const server = await createHttpServer({
      known: { host: '127.0.0.1' },
      document: { info: { title: 'test', version: '1' } },
      onError: (_error, _request, reply) => reply.code(500).send({}),
    })
    const body = z.object({ name: z.string() })
    server.post('/v1/things/:id', { schema: { body } }, async ({ body: { name } }) => {
      if (name === 'broken') throw new Error('no such thing')
      trace.getTracer('test').startSpan('work').end()
      return {}
    })
    return server
  }

  test('is a trace of its own, linked to its client’s, named by its route, with the work in it', async () => {
    await using collector = await startOtlpReceiver()
    const telemetry = await given(at(collector))
    const server = await givenServer()
    const url = await server.listen({ host: '127.0.0.1', port: 0 })

    const post = async (name: string) => {
      const headers = { 'content-type': 'application/json', traceparent: SPAN }
      await fetch(`${url}/v1/things/anna`, { method: 'POST', headers, body: JSON.stringify({ name }) })
    }
    await post('anna')
    await post('broken')
    await server.close()
    await telemetry[Symbol.asyncDispose]()

    await until('all came', () => collector.spans.length === 3)
    const [work, good, bad] = collector.spans
    const route = { 'http.request.method': 'POST', 'http.route': '/v1/things/:id' }
    const [, traceId = '', spanId] = SPAN.split('-')
    const client = { parentSpanId: undefined, links: [{ traceId, spanId }] }
    expect([work, good, bad].map((span) => span?.traceId)).not.toContain(traceId)
    expect(good).toMatchObject({ name: 'POST /v1/things/:id', ...client, status: 0 })
    expect(good?.attributes).toEqual({ ...route, 'http.response.status_code': 200 })
    expect(work).toMatchObject({ name: 'work', traceId: good?.traceId, parentSpanId: good?.spanId })
    expect(bad).toMatchObject({ ...client, status: 2, attributes: { ...route, 'http.response.status_code': 500 } })
    expect(JSON.stringify(collector.spans)).not.toContain('anna')
  })
})
