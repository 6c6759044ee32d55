import { reportError } from '@cinelake/core'
import { context, propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, type Span } from '@opentelemetry/api'

/** W3C trace context as properties of a message: `traceparent`, `tracestate`. Empty where its sender traces nothing. */
export type TraceContext = Readonly<Record<string, string>>

/** The facts of a message that a span gets: which try of which task it is about. */
export type Traced = {
  readonly kind: string
  readonly run?: string
  readonly task?: string
  readonly generation?: number
  readonly attempt?: number
  readonly pipeline?: { readonly name: string }
}

/** The trace context to send a message with. */
export function activeTrace(): TraceContext {
  const properties: Record<string, string> = {}
  propagation.inject(context.active(), properties)
  return properties
}

/** Heartbeats: frequent, and nothing depends on them. */
const UNTRACED: ReadonlySet<string> = new Set(['task.progressed', 'agent.heartbeat'])

export type Received = { readonly entity: string; readonly deliveryCount: number; readonly sentIn: TraceContext }

/**
 * Handles a message in a span that continues its sender's trace. Names and numbers become attributes; of an error only
 * its code, never its message.
 */
export async function inSpan(
  message: Traced,
  { entity, deliveryCount, sentIn }: Received,
  handle: () => Promise<void>,
): Promise<void> {
  if (UNTRACED.has(message.kind)) return await handle()
  const sender = propagation.extract(ROOT_CONTEXT, sentIn)
  const attributes = {
    ...taskAttributes(message),
    'messaging.destination.name': entity,
    'messaging.operation.type': 'process',
    'cinelake.delivery': deliveryCount,
  }
  const options = { kind: SpanKind.CONSUMER, attributes }
  await trace.getTracer('cinelake').startActiveSpan(message.kind, options, sender, async (span) => {
    try {
      await handle()
    } catch (error) {
      markFailed(span, reportError(error).code)
      throw error
    } finally {
      span.end()
    }
  })
}

function taskAttributes({ run, task, generation, attempt, pipeline }: Traced) {
  return {
    'cinelake.run': run,
    'cinelake.task': task,
    'cinelake.generation': generation,
    'cinelake.attempt': attempt,
    // The name of a run begins with its pipeline's: `<pipeline>@<window label>`.
    'cinelake.pipeline': pipeline?.name ?? run?.slice(0, run.lastIndexOf('@')),
  }
}

export function markFailed(span: Span | undefined, code: string): void {
  span?.setAttribute('error.type', code).setStatus({ code: SpanStatusCode.ERROR })
}
