import { PipelineError } from '@cinelake/core'
import { MAX_MESSAGE_BYTES } from '../codec.ts'
import { busErrors } from '../errors.ts'

/** The failed operation, for the error message. */
export type Attempt = {
  /** Queue, topic or `events/<subscription>`. */
  readonly entity: string
  /** Completes "could not …". */
  readonly doing: string
  readonly role: keyof typeof ROLES
  /** Size of the message to be sent, in bytes. */
  readonly sizeBytes?: number
}

/** Source: learn.microsoft.com/azure/service-bus-messaging/service-bus-managed-service-identity */
const ROLES = {
  send: 'Azure Service Bus Data Sender',
  receive: 'Azure Service Bus Data Receiver',
  manage: 'Azure Service Bus Data Owner',
} as const

/**
 * Translates errors of the client library; the only place that knows its codes. First AMQP's, then the administration
 * client's, which end in `…Error`; those of `@azure/identity` by name, since it is loaded only where a token is needed.
 */
export function translateBusError(error: unknown, { entity, doing, role, sizeBytes = 0 }: Attempt): PipelineError {
  if (error instanceof PipelineError) return error
  const code = busErrorCode(error)
  switch (code) {
    case 'MessagingEntityNotFound':
    case 'MessageEntityNotFoundError':
      return busErrors.BUS_ENTITY_MISSING(entity, doing, { cause: withoutRequest(error) })
    case 'UnauthorizedAccess':
    case 'UnauthorizedRequestError':
      return busErrors.BUS_FORBIDDEN(entity, doing, ROLES[role], { cause: withoutRequest(error) })
    case 'MessageSizeExceeded':
      return busErrors.MESSAGE_TOO_LARGE(entity, sizeBytes, MAX_MESSAGE_BYTES)
    case 'CredentialUnavailableError':
    case 'AuthenticationRequiredError':
    case 'AuthenticationError':
    case 'AggregateAuthenticationError':
      return busErrors.BUS_NO_IDENTITY(doing, code, { cause: withoutRequest(error) })
    default:
      return busErrors.BUS_UNAVAILABLE(doing, code, { cause: withoutRequest(error) })
  }
}

/** Whether the broker no longer knows the lock: it expired, or the message is settled already. */
export function isLockLost(error: unknown): boolean {
  const code = busErrorCode(error)
  return code === 'MessageLockLost' || code === 'MessageNotFound'
}

/** The client library's code; for other errors the system's code or the error's name. */
function busErrorCode(error: unknown): string {
  const last = lastOf(error)
  if (!(last instanceof Error)) return 'UNKNOWN'
  if ('code' in last && typeof last.code === 'string') return last.code
  if (last.name === 'AbortError' || last.name === 'TimeoutError') return 'ServiceTimeout'
  // A rejected token arrives as a plain error with the answer's text. Source: CbsClient of @azure/core-amqp
  return /InvalidSignature|\b401\b|nauthorized/.test(last.message) ? 'UnauthorizedAccess' : last.name
}

/** An error reduced to its message: HTTP errors carry the request, and with it the authorising signature. */
function withoutRequest(error: unknown): Error | undefined {
  const last = lastOf(error)
  if (!(last instanceof Error)) return undefined
  const cause = new Error(last.message)
  cause.name = last.name
  if (last.stack !== undefined) cause.stack = last.stack
  return cause
}

/** After several retries, the last error. */
function lastOf(error: unknown): unknown {
  return error instanceof AggregateError ? (error.errors.at(-1) as unknown) : error
}
