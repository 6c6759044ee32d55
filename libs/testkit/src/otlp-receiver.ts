import { text } from 'node:stream/consumers'
import { startHttp, type LoopbackServer } from './loopback-server.ts'

export type ReceivedSpan = {
  readonly service: unknown
  readonly traceId: string
  readonly spanId: string
  /** Undefined for the root of a trace. */
  readonly parentSpanId: string | undefined
  /** Spans of other traces that it is linked to. */
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[]
  readonly name: string
  readonly attributes: Readonly<Record<string, unknown>>
  /** 2 is an error. */
  readonly status: number
}

/** A collector: what processes have sent it by OTLP over HTTP, in JSON. */
export type OtlpReceiver = LoopbackServer & {
  readonly spans: readonly ReceivedSpan[]
  /** Names of the metrics, each with the resource that it is of. */
  readonly metrics: ReadonlyMap<string, Readonly<Record<string, unknown>>>
}

type Attributes = readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[]
type Resource = { readonly resource: { readonly attributes: Attributes } }
type Sent = {
  readonly resourceSpans?: readonly (Resource & {
    readonly scopeSpans: readonly { readonly spans: readonly Span[] }[]
  })[]
  readonly resourceMetrics?: readonly (Resource & {
    readonly scopeMetrics: readonly { readonly metrics: readonly { readonly name: string }[] }[]
  })[]
}
type Span = Omit<ReceivedSpan, 'attributes' | 'status' | 'links'> & {
  readonly links?: ReceivedSpan['links']
  readonly attributes: Attributes
  readonly status: { readonly code?: number }
}

/** Source of the form: opentelemetry.io/docs/specs/otlp/#otlphttp-request, JSON */
export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = []
  const metrics = new Map<string, Readonly<Record<string, unknown>>>()
  const take = ({ resourceSpans = [], resourceMetrics = [] }: Sent) => {
    for (const { resource, scopeSpans } of resourceSpans) {
      const service = valuesOf(resource.attributes)['service.name']
      for (const span of scopeSpans.flatMap((scope) => scope.spans)) {
        const { traceId, spanId, parentSpanId, name } = span
        const links = (span.links ?? []).map((link) => ({ traceId: link.traceId, spanId: link.spanId }))
        const attributes = valuesOf(span.attributes)
        spans.push({ service, traceId, spanId, parentSpanId, links, name, attributes, status: span.status.code ?? 0 })
      }
    }
    for (const { resource, scopeMetrics } of resourceMetrics) {
      for (const { name } of scopeMetrics.flatMap((scope) => scope.metrics))
        metrics.set(name, valuesOf(resource.attributes))
    }
  }
  const server = await startHttp((request, response) => {
    const answer = async () => {
      take(JSON.parse(await text(request)) as Sent)
      response.setHeader('content-type', 'application/json').end('{}')
    }
    void answer()
  })
  return { ...server, spans, metrics }
}

/** An attribute's value is an object with its type as the only key. */
function valuesOf(attributes: Attributes): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))
}
