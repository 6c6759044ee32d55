import { sha256 } from '@cinelake/core'
import { isRunFinished, type Run } from '@cinelake/run-store'
import { startSpanAs } from '@cinelake/service'
import { context, ROOT_CONTEXT, SpanStatusCode, trace, type Context, type Span } from '@opentelemetry/api'

/*
 * A run is one trace, whichever replica does what of it and however often they restart: the ids of its span derive from
 * the run and the instant at which it was requested. Every replica may start that span, as the parent of what it does;
 * the one that finishes the run ends it, and thereby sends it.
 */

function startRunSpan({ id, pipeline, requestedAt, window }: Run): Span {
  const digest = sha256(`${id} ${requestedAt}`)
  const ids = { traceId: digest.slice(0, 32), spanId: digest.slice(32, 48) }
  const attributes = { 'cinelake.run': id, 'cinelake.pipeline': pipeline, 'cinelake.window': window.label }
  return startSpanAs('run', ids, { startTime: new Date(requestedAt), attributes })
}

/** Where the commands of a run are sent: in the span that they follow from if it is of this run, otherwise in the run's. */
export function contextOf(run: Run): Context {
  const span = startRunSpan(run)
  const isOfRun = trace.getActiveSpan()?.spanContext().traceId === span.spanContext().traceId
  return isOfRun ? context.active() : trace.setSpan(ROOT_CONTEXT, span)
}

/** Lets a run that was just planned begin, in a span of its trace that names the request it comes from. */
export async function beginPlanned(run: Run | undefined, begin: (runId: string) => Promise<void>): Promise<void> {
  if (run === undefined) return
  const request = trace.getActiveSpan()?.spanContext()
  const options = {
    startTime: new Date(run.requestedAt),
    links: request === undefined ? [] : [{ context: request }],
    attributes: { 'cinelake.run': run.id, 'cinelake.pipeline': run.pipeline },
  }
  const parent = trace.setSpan(ROOT_CONTEXT, startRunSpan(run))
  await trace.getTracer('cinelake').startActiveSpan('plan', options, parent, async (span) => {
    try {
      await begin(run.id)
    } finally {
      span.end()
    }
  })
}

/** To be called by the replica that recorded the end of a run. */
export function endRunTrace(run: Run): void {
  if (!isRunFinished(run)) return
  const span = startRunSpan(run).setAttribute('cinelake.run.state', run.state)
  if (run.state === 'failed') span.setStatus({ code: SpanStatusCode.ERROR })
  span.end(run.finishedAt === null ? undefined : new Date(run.finishedAt))
}
