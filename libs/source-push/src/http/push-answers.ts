import { PipelineError, reportError, type Log } from '@cinelake/core'
import type { FastifyReply } from 'fastify'
import { PushLimitedError } from '../errors.ts'

/** HTTP status by error code. Any other terminal error is about the platform, not about the push. */
const STATUS: Readonly<Record<string, number>> = {
  PUSH_UNAUTHORIZED: 401,
  PUSH_FORBIDDEN: 403,
  PUSH_DATASET_MISSING: 404,
  PUSH_MISSING: 404,
  PUSH_HEADER_INVALID: 400,
  PUSH_BODY_INVALID: 400,
  PUSH_CUT: 400,
  PUSH_TOO_SLOW: 400,
  PUSH_KEY_REUSED: 409,
  PUSH_TOO_LARGE: 413,
  PUSH_TYPE_UNKNOWN: 415,
  HOST_UNKNOWN: 421,
  PUSH_LIMITED: 429,
}

/** Seconds. */
const RETRY_AFTER = 5

type Options = { readonly log: Log; readonly redact?: ((text: string) => string) | undefined }

/** Answers with an error: by its code if it is about the push, 503 if a retry can help, else 500 without details. */
export function answerError(reply: FastifyReply, error: unknown, { log, redact }: Options): FastifyReply {
  if (!(error instanceof PipelineError)) return answerUnknown(reply, error, log)
  const { code, message } = reportError(error, redact)
  const status = STATUS[code] ?? (error.retryable ? 503 : 500)
  if (status === 500) {
    log.error({ code, err: error }, 'push failed')
    return reply
      .code(500)
      .send({ code, message: 'the push failed; those who run the platform find out why in the log' })
  }
  // Without its causes: clients are told only about the push.
  const told = {
    code,
    message: status === 503 ? 'not possible now; send it again, with the same key' : redacted(error, redact),
  }
  if (status === 503) log.warn({ code, err: error }, 'push failed for now')
  else log.info({ code, status, message }, 'push refused')
  if (status === 401) void reply.header('www-authenticate', 'Bearer')
  if (status === 503) void reply.header('retry-after', String(RETRY_AFTER))
  if (error instanceof PushLimitedError) void reply.header('retry-after', String(error.waitSeconds))
  return reply.code(status).send(told)
}

function redacted({ message }: Error, redact = (text: string) => text): string {
  return redact(message)
}

function answerUnknown(reply: FastifyReply, error: unknown, log: Log): FastifyReply {
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500
  // Errors of the framework: an invalid address, headers that are too large.
  if (status >= 400 && status < 500) {
    return reply.code(status).send({ code: 'REQUEST_INVALID', message: 'the request cannot be used; see /docs' })
  }
  log.error({ err: error }, 'push failed unexpectedly')
  return reply
    .code(500)
    .send({ code: 'UNEXPECTED_ERROR', message: 'the push failed; those who run the platform find out why in the log' })
}
