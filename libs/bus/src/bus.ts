import type { Command, Event, Queue } from '@cinelake/contracts'

/** The delivery that a handler is working on. */
export type Delivery = {
  /**
   * Aborted when the service stops or when the lock on the message is lost: another worker may have received it
   * already.
   */
  readonly signal: AbortSignal
  /** Delivery count of this message, from 1. */
  readonly deliveryCount: number
}

/** Returns when the work is durable; the message is then completed. Throws to abandon or dead-letter it. */
export type MessageHandler<Message> = (message: Message, delivery: Delivery) => Promise<void>

export type ConsumeOptions = {
  /** Messages processed concurrently. */
  readonly concurrency?: number
}

/** A running consumer. Disposing stops receiving, waits for the running handlers, then resolves. */
export type Consumer = AsyncDisposable

/** A dead-lettered message, as an operator sees it. */
export type DeadLetter = {
  /** Identifies it among the dead letters of its entity. */
  readonly id: string
  /** The error's stable code. */
  readonly reason: string
  /** One sentence: the problem and the remedy. */
  readonly description: string
  readonly deliveryCount: number
  readonly deadLetteredAt: string
  readonly body: unknown
}

/**
 * Small messages between services; data itself is named, not carried (claim check).
 *
 * Delivery is at least once, in no promised order: handlers are idempotent. A message that does not match its contract
 * is dead-lettered at once; so is one whose handler throws a `TerminalError`. After any other error it is abandoned,
 * and dead-lettered after too many deliveries.
 */
export interface MessageBus extends AsyncDisposable {
  /** Sends one command to the queue; any free worker receives it. Resolves when the broker has it. */
  send(queue: Queue, command: Command): Promise<void>
  /** Publishes to every subscription of the events topic. Resolves when the broker has it. */
  publish(event: Event): Promise<void>
  consume(queue: Queue, handler: MessageHandler<Command>, options?: ConsumeOptions): Promise<Consumer>
  /** @param subscription a consumer group: each group gets every event, each event goes to one member of it */
  subscribe(subscription: string, handler: MessageHandler<Event>, options?: ConsumeOptions): Promise<Consumer>
  /**
   * The dead letters of a queue, or of a subscription of the events topic (`events/<subscription>`), oldest first.
   * Where there are very many, a broker shows only the oldest few thousand.
   */
  deadLetters(entity: string): Promise<readonly DeadLetter[]>
  /**
   * Resubmits a dead letter to the end of its queue with a delivery count of 0. An event may reach the topic's other
   * subscriptions again, where a broker cannot send to one subscription alone. False when it is not there.
   */
  resend(entity: string, id: string): Promise<boolean>
  /** Removes a dead letter permanently. False when it is not there. */
  discard(entity: string, id: string): Promise<boolean>
  /** Resubmits all that are there now. Returns how many there were. */
  resendAll(entity: string): Promise<number>
  /** Removes all that are there now. Returns how many there were. */
  discardAll(entity: string): Promise<number>
}
