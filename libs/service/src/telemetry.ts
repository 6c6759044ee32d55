import type { Event } from '@cinelake/contracts'
import { reasonOf, type Log } from '@cinelake/core'
import {
  context,
  createContextKey,
  createNoopMeter,
  diag,
  DiagLogLevel,
  propagation,
  ROOT_CONTEXT,
  trace,
  type Meter,
  type Span,
  type SpanOptions,
} from '@opentelemetry/api'
import type { Resource } from '@opentelemetry/resources'
import type { MeterProviderOptions } from '@opentelemetry/sdk-metrics'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { isTelemetrySent, workerName, type Settings } from './environment.ts'

/** What a process tells of itself: metrics, and the traces of the messages and requests that it handles. */
export type Telemetry = AsyncDisposable & {
  /** Of this service. Names end in their unit; counters in `_total`. */
  readonly meter: Meter
  /**
   * The metrics in the Prometheus exposition format, version 0.0.4. Source:
   * prometheus.io/docs/instrumenting/exposition_formats
   */
  readonly prometheusText: () => Promise<string>
}

export type TelemetryOptions = {
  /** The service's name, unless OTEL_SERVICE_NAME gives another. */
  readonly service: string
  readonly settings: Settings
  readonly log: Log
  /** Whether `prometheusText` will be called; otherwise metrics are only kept where they are sent. */
  readonly isScraped?: boolean
}

/** Milliseconds that a stopping process waits for a collector to take the last spans and metrics. */
const LAST_EXPORT_MS = 2_000

/**
 * Opens the telemetry of this process. Traces and metrics are sent (OTLP over HTTP, JSON) only where the standard
 * variables name a collector; one that cannot be reached is a warning in the log. Where nothing is collected, nothing
 * is loaded. One per process: traces are the process's, so that libraries need only `@opentelemetry/api`.
 *
 * Sources: opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables,
 * opentelemetry.io/docs/specs/otel/protocol/exporter
 */
export async function openTelemetry({
  service,
  settings,
  log,
  isScraped = false,
}: TelemetryOptions): Promise<Telemetry> {
  const sendsTraces = isTelemetrySent('TRACES', settings)
  const sendsMetrics = isTelemetrySent('METRICS', settings)
  if (!sendsTraces && !sendsMetrics && !isScraped)
    return { meter: createNoopMeter(), prometheusText: async () => '', async [Symbol.asyncDispose]() {} }

  const exportErrors = logExportErrors(log)
  const resource = await resourceOf(service)
  const traces = sendsTraces ? await openTraces(resource) : undefined
  const { provider, prometheusText } = await openMetrics(resource, { sendsMetrics, isScraped })
  const meter = provider.getMeter('cinelake')
  const measured = measureProcess(meter, service)
  return {
    meter,
    prometheusText,
    async [Symbol.asyncDispose]() {
      await inTime(Promise.all([traces?.shutdown(), provider.shutdown()]))
      measured[Symbol.dispose]()
      exportErrors[Symbol.dispose]()
    },
  }
}

/** What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say comes before what is known here. */
async function resourceOf(service: string): Promise<Resource> {
  const { detectResources, envDetector, resourceFromAttributes } = await import('@opentelemetry/resources')
  const known = { 'service.name': service, 'service.namespace': 'cinelake', 'service.instance.id': workerName() }
  return resourceFromAttributes(known).merge(detectResources({ detectors: [envDetector] }))
}

const SPAN_IDS = createContextKey('ids of the next span')
export type SpanIds = { readonly traceId: string; readonly spanId: string }

/**
 * Starts a span without a parent under given ids: for a span that several processes refer to, and one of them ends.
 * @param ids 32 and 16 lowercase hexadecimal digits
 */
export function startSpanAs(name: string, ids: SpanIds, options: SpanOptions): Span {
  const root = ROOT_CONTEXT.setValue(SPAN_IDS, ids)
  return context.with(root, () => trace.getTracer('cinelake').startSpan(name, options, root))
}

async function openTraces(resource: Resource): Promise<{ readonly shutdown: () => Promise<void> }> {
  const [sdk, { OTLPTraceExporter }, { AsyncLocalStorageContextManager }, core] = await Promise.all([
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/context-async-hooks'),
    import('@opentelemetry/core'),
  ])
  const random = new sdk.RandomIdGenerator()
  const given = () => context.active().getValue(SPAN_IDS) as SpanIds | undefined
  const provider = new sdk.TracerProvider({
    resource,
    spanProcessors: [new sdk.BatchSpanProcessor({ exporter: new OTLPTraceExporter() })],
    idGenerator: {
      generateTraceId: () => given()?.traceId ?? random.generateTraceId(),
      generateSpanId: () => given()?.spanId ?? random.generateSpanId(),
    },
  })
  trace.setGlobalTracerProvider(provider)
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  propagation.setGlobalPropagator(new core.W3CTraceContextPropagator())
  return {
    shutdown() {
      trace.disable()
      context.disable()
      propagation.disable()
      return provider.shutdown()
    },
  }
}

async function openMetrics(
  resource: Resource,
  { sendsMetrics, isScraped }: { readonly sendsMetrics: boolean; readonly isScraped: boolean },
) {
  const { MeterProvider, PeriodicExportingMetricReader } = await import('@opentelemetry/sdk-metrics')
  const readers: NonNullable<MeterProviderOptions['readers']> = []
  if (sendsMetrics) {
    const { OTLPMetricExporter } = await import('@opentelemetry/exporter-metrics-otlp-http')
    readers.push(new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter() }))
  }
  let prometheusText = async () => ''
  if (isScraped) {
    const { PrometheusExporter, PrometheusSerializer } = await import('@opentelemetry/exporter-prometheus')
    const scraped = new PrometheusExporter({ preventServerStart: true })
    // Without labels of the library's own: names and labels are those that dashboards know.
    const serializer = new PrometheusSerializer(undefined, false, undefined, true, true)
    readers.push(scraped)
    prometheusText = async () => serializer.serialize((await scraped.collect()).resourceMetrics)
  }
  return { provider: new MeterProvider({ resource, readers }), prometheusText }
}

/** A collector that does not answer must not hold up the end of the process, nor make it fail. */
async function inTime(shutdown: Promise<unknown>): Promise<void> {
  const { promise: tooLate, resolve } = Promise.withResolvers<void>()
  const timeout = setTimeout(() => {
    diag.warn(`the collector did not take the last of it within ${LAST_EXPORT_MS} ms`)
    resolve()
  }, LAST_EXPORT_MS)
  await Promise.race([shutdown.catch((error: unknown) => diag.error(reasonOf(error))), tooLate])
  clearTimeout(timeout)
}

/** Milliseconds between two warnings: exports are tried every few seconds. */
const WARN_EVERY_MS = 60_000

function logExportErrors(log: Log): Disposable {
  let warnedAt = -Infinity
  const warn = (message: string) => {
    if (performance.now() - warnedAt < WARN_EVERY_MS) return
    warnedAt = performance.now()
    log.warn({ reason: message }, 'telemetry is not delivered; work continues')
  }
  const ignore = () => {}
  const logger = { error: warn, warn, info: ignore, debug: ignore, verbose: ignore }
  diag.setLogger(logger, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true })
  return { [Symbol.dispose]: () => diag.disable() }
}

/** Metrics of the process itself. */
function measureProcess(meter: Meter, service: string): Disposable {
  const loopDelay = monitorEventLoopDelay()
  loopDelay.enable()
  const gauge = (name: string, description: string, read: () => number, labels = {}) =>
    meter.createObservableGauge(name, { description }).addCallback((result) => result.observe(read(), labels))
  gauge('cinelake_service_info', 'Always 1; says which service this is.', () => 1, { service })
  gauge('process_resident_memory_bytes', 'Memory of the process.', () => process.memoryUsage.rss())
  gauge('nodejs_heap_used_bytes', 'Memory that JavaScript objects take.', () => process.memoryUsage().heapUsed)
  gauge('process_uptime_seconds', 'Time since the process started.', () => process.uptime())
  const p99 = 'How late timers come, 99th percentile.'
  gauge('nodejs_eventloop_delay_p99_seconds', p99, () => loopDelay.percentile(99) / 1e9)
  meter
    .createObservableCounter('process_cpu_seconds_total', { description: 'CPU time used.' })
    .addCallback((result) => {
      const { user, system } = process.cpuUsage()
      result.observe((user + system) / 1e6)
    })
  return { [Symbol.dispose]: () => loopDelay.disable() }
}

/** Seconds, from a small table to a day's load. */
const TASK_BUCKETS = [0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600]

/** Turns the task events that a worker publishes into metrics. Pass it to `runTaskWorker` as `observe`. */
export function taskMetrics(meter: Meter): (event: Event) => void {
  const advice = { explicitBucketBoundaries: TASK_BUCKETS }
  const seconds = meter.createHistogram('cinelake_task_seconds', { description: 'Time that tasks took.', advice })
  const errors = meter.createCounter('cinelake_task_errors_total', { description: 'Failed attempts by code.' })
  const accounted = (unit: 'rows' | 'files') =>
    meter.createCounter(`cinelake_task_${unit}_total`, { description: `What tasks accounted for, in ${unit}.` })
  const counters = { rows: accounted('rows'), files: accounted('files') }
  return (event) => {
    if (event.kind !== 'task.succeeded' && event.kind !== 'task.failed') return
    // The label is the task's first word, the kind of work. The full name would make one time series per table.
    const work = event.task.split(' ', 1).join('')
    const outcome = event.kind === 'task.succeeded' ? 'succeeded' : 'failed'
    seconds.record(event.durationMs / 1000, { work, outcome })
    if (event.kind === 'task.failed') return errors.add(1, { work, code: event.error.code })
    const { unit, in: inCount, out, rejected, duplicates } = event.balance
    for (const [fate, count] of Object.entries({ in: inCount, out, rejected, duplicates }))
      counters[unit].add(count, { work, fate })
  }
}
