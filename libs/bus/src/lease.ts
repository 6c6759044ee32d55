import { PipelineError, reportError, TerminalError, type Log } from '@cinelake/core'
import type { MessageHandler } from './bus.ts'
import type { Codec } from './codec.ts'
import { inSpan, type TraceContext, type Traced } from './tracing.ts'

/** Why a message is abandoned or dead-lettered. */
export type Reason = { readonly code: string; readonly message: string }

/**
 * One message locked by one worker. Every settlement returns whether the lock still held; if it did not, nothing was
 * done.
 */
export type Lease = {
  readonly text: string
  /** The trace context that it was sent with. */
  readonly sentIn: TraceContext
  /** Delivery count, this delivery included. */
  readonly deliveryCount: number
  /** Aborted with a `LockLostError` when the lock is lost. */
  readonly lost: AbortSignal
  complete(): boolean | Promise<boolean>
  /** Redelivered, or dead-lettered after too many deliveries. */
  giveBack(reason: Reason): boolean | Promise<boolean>
  deadLetter(reason: Reason): boolean | Promise<boolean>
}

export type LeaseWork<Message> = {
  readonly entity: string
  readonly codec: Codec<Message>
  readonly handler: MessageHandler<Message>
  readonly log: Log
}

/**
 * Characters. Service Bus truncates descriptions of dead letters at this length. Source:
 * learn.microsoft.com/azure/service-bus-messaging/service-bus-quotas
 */
const MAX_DESCRIPTION_LENGTH = 4096

/** Passes a message to its handler, and settles it according to the handler's result. */
export async function workOn<Message extends Traced>(
  lease: Lease,
  stop: AbortSignal,
  work: LeaseWork<Message>,
): Promise<void> {
  const { entity, codec, handler, log } = work
  const { deliveryCount, sentIn } = lease
  try {
    const message = codec.decode(lease.text)
    const signal = AbortSignal.any([stop, lease.lost])
    await inSpan(message, { entity, deliveryCount, sentIn }, () => handler(message, { signal, deliveryCount }))
  } catch (error) {
    return await settleFailed(lease, error, work)
  }
  // Not an error: the work is durable, and the worker that has the message now will find that out.
  if (!(await lease.complete())) log.info({ entity, deliveryCount }, 'message was done after its lock was lost')
}

async function settleFailed(
  lease: Lease,
  error: unknown,
  { entity, log }: Pick<LeaseWork<unknown>, 'entity' | 'log'>,
): Promise<void> {
  const { code, message } = reportError(error)
  const reason = { code, message: message.slice(0, MAX_DESCRIPTION_LENGTH) }
  const isTerminal = error instanceof TerminalError
  const facts = { entity, deliveryCount: lease.deliveryCount, code, error: message }
  if (!(await (isTerminal ? lease.deadLetter(reason) : lease.giveBack(reason)))) {
    return log.info(facts, 'message was abandoned after its lock was lost')
  }
  if (isTerminal) log.error(facts, 'message was dead-lettered')
  else log.warn(error instanceof PipelineError ? facts : { ...facts, err: error }, 'message was given back')
}

/** The description of a message that was dead-lettered after too many deliveries. */
export function tooOften(deliveryCount: number, { code, message }: Reason): Reason {
  const text = `handed out ${deliveryCount} times without being settled; the last time: ${code}: ${message}`
  return { code: DELIVERED_TOO_OFTEN, message: text.slice(0, MAX_DESCRIPTION_LENGTH) }
}

/** The reason of messages that were dead-lettered after too many deliveries, counted by the broker or by us. */
export const DELIVERED_TOO_OFTEN = 'DELIVERED_TOO_OFTEN'
