import { PipelineError } from '@cinelake/core'
import { MAX_MESSAGE_BYTES } from '../codec.ts'
import { busErrors } from '../errors.ts'

/** What was tried, for the words of an error. */
export type Attempt = {
  /** Queue, topic or `events/<subscription>`. */
  readonly entity: string
  /** Completes "could not …". */
  readonly doing: string
  readonly role: keyof typeof ROLES
  /** Of the message that was to be sent, in bytes. */
  readonly sizeBytes?: number
}

/** Source: learn.microsoft.com/azure/service-bus-messaging/service-bus-managed-service-identity */
const ROLES = {
  send: 'Azure Service Bus Data Sender',
  receive: 'Azure Service Bus Data Receiver',
  manage: 'Azure Service Bus Data Owner',
} as const

/**
 * Makes an error of the client library one of ours; the only place that knows its codes. Those of AMQP come first, those of
 * the administration client end in `…Error`; the names of `@azure/identity`, which is loaded only where a token is needed.
 */
export function translateBusError(error: unknown, { entity, doing, role, sizeBytes = 0 }: Attempt): PipelineError {
  if (error instanceof PipelineError) return error
  const code = codeOf(error)
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

/** Whether the broker does not know the lock any more: it ran out, or the message is settled already. */
export function isLockLost(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'MessageLockLost' || code === 'MessageNotFound'
}

/** The client library's own code; for an error that it did not make, that of the system or the error's name. */
function codeOf(error: unknown): string {
  const last = lastOf(error)
  if (!(last instanceof Error)) return 'UNKNOWN'
  if ('code' in last && typeof last.code === 'string') return last.code
  if (last.name === 'AbortError' || last.name === 'TimeoutError') return 'ServiceTimeout'
  // A refused token comes as a plain error with the words of the answer. Source: CbsClient of @azure/core-amqp
  return /InvalidSignature|\b401\b|nauthorized/.test(last.message) ? 'UnauthorizedAccess' : last.name
}

/** An error with its words alone: those of HTTP carry the request, and with it the signature that lets it in. */
function withoutRequest(error: unknown): Error | undefined {
  const last = lastOf(error)
  if (!(last instanceof Error)) return undefined
  const cause = new Error(last.message)
  cause.name = last.name
  if (last.stack !== undefined) cause.stack = last.stack
  return cause
}

/** After several tries, what the last one came to. */
function lastOf(error: unknown): unknown {
  return error instanceof AggregateError ? (error.errors.at(-1) as unknown) : error
}
