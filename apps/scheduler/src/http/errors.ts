import { defineErrors, PipelineError, reportError, terminal, type Log } from '@cinelake/core'
import type { FastifyReply } from 'fastify'
import type { z } from 'zod'

export const httpErrors = defineErrors({
  /** The client's request cannot be parsed. */
  REQUEST_INVALID: terminal((error: z.ZodError) => {
    const problems = error.issues.map(({ path, message }) => [...path.map(String), message].join(': ')).join('; ')
    return [`the request cannot be used: ${problems}; correct it and send it again`, {}]
  }),
})

/** HTTP status by error code; every other terminal error is 422: parsed, but rejected. */
const STATUS: Readonly<Record<string, number>> = {
  REQUEST_INVALID: 400,
  WINDOW_UNKNOWN: 400,
  WINDOWS_TOO_MANY: 400,
  WINDOWS_REVERSED: 400,
  WINDOW_NOT_OVER: 400,
  WINDOW_BEFORE_START: 400,
  PIPELINE_UNKNOWN: 404,
  RUN_MISSING: 404,
  RUN_UNDER_WAY: 409,
  HOST_UNKNOWN: 421,
}
/** Seconds. Value of `Retry-After`. */
const RETRY_AFTER = '5'

/**
 * Sends an error response: the status of its code where it is known, 503 where a retry can help, 500 without details
 * for a bug.
 */
export function answerError(
  reply: FastifyReply,
  error: unknown,
  { log, redact }: { readonly log: Log; readonly redact?: ((text: string) => string) | undefined },
): FastifyReply {
  if (error instanceof PipelineError) {
    const { code, message } = reportError(error, redact)
    if (error.retryable) {
      log.warn({ code, err: error }, 'request failed for now')
      return reply.code(503).header('retry-after', RETRY_AFTER).send({ code, message })
    }
    return reply.code(STATUS[code] ?? 422).send({ code, message })
  }
  const status = statusOf(error)
  // Errors of the framework itself (no such route, a body that is not JSON) are the client's to fix.
  if (status < 500) return reply.code(status).send({ code: 'REQUEST_INVALID', message: reportError(error).message })
  log.error({ err: error }, 'request failed unexpectedly')
  return reply
    .code(500)
    .send({ code: 'UNEXPECTED_ERROR', message: 'the request failed unexpectedly; see the log of the scheduler' })
}

function statusOf(error: unknown): number {
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined
  return typeof status === 'number' && status >= 400 ? status : 500
}
