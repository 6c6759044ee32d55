import { PipelineError, reportError, TerminalError, type Log } from '@cinelake/core'
import type { MessageHandler } from './bus.ts'
import type { Codec } from './codec.ts'

/** Why a message is given back or given up. */
export type Reason = { readonly code: string; readonly message: string }

/**
 * One message in the hands of one worker. Every way to settle it answers whether the lock still held; when it did not,
 * nothing was done.
 */
export type Lease = {
  readonly text: string
  /** How often it was handed out, this time included. */
  readonly deliveryCount: number
  /** Aborted with a `LockLostError` when the lock is lost. */
  readonly lost: AbortSignal
  complete(): boolean | Promise<boolean>
  /** To be handed out again, or to the dead letters when that happened too often. */
  giveBack(reason: Reason): boolean | Promise<boolean>
  deadLetter(reason: Reason): boolean | Promise<boolean>
}

export type LeaseWork<Message> = {
  readonly entity: string
  readonly codec: Codec<Message>
  readonly handler: MessageHandler<Message>
  readonly log: Log
}

/** Characters. Service Bus cuts descriptions of dead letters there. Source: learn.microsoft.com/azure/service-bus-messaging/service-bus-quotas */
const MAX_DESCRIPTION_LENGTH = 4096

/** Hands a message to its handler, and settles it by how the handler ended. */
export async function workOn<Message>(lease: Lease, stop: AbortSignal, work: LeaseWork<Message>): Promise<void> {
  const { entity, codec, handler, log } = work
  const { deliveryCount } = lease
  try {
    await handler(codec.decode(lease.text), { signal: AbortSignal.any([stop, lease.lost]), deliveryCount })
  } catch (error) {
    return await settleFailed(lease, error, work)
  }
  // Not an error: the work is durable, and whoever has the message now finds that out.
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
    return log.info(facts, 'message was given up after its lock was lost')
  }
  if (isTerminal) log.error(facts, 'message was dead-lettered')
  else log.warn(error instanceof PipelineError ? facts : { ...facts, err: error }, 'message was given back')
}

/** What a dead letter says that was handed out as often as the broker does that. */
export function tooOften(deliveryCount: number, { code, message }: Reason): Reason {
  const text = `handed out ${deliveryCount} times without being settled; the last time: ${code}: ${message}`
  return { code: DELIVERED_TOO_OFTEN, message: text.slice(0, MAX_DESCRIPTION_LENGTH) }
}

/** The reason of dead letters that were handed out too often, whoever counted. */
export const DELIVERED_TOO_OFTEN = 'DELIVERED_TOO_OFTEN'
