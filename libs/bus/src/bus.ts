import type { Command, Event, Queue } from '@cinelake/contracts'

/** What a handler may know of the delivery it is working on. */
export type Delivery = {
  /** Aborted when the service stops or when the lock on the message is lost: another worker may have it by then. */
  readonly signal: AbortSignal
  /** How often the broker has handed this message out, from 1. */
  readonly deliveryCount: number
}

/** Returns when the work is durable: the message is settled after that. Throws to give it back or to have it dead-lettered. */
export type MessageHandler<Message> = (message: Message, delivery: Delivery) => Promise<void>

export type ConsumeOptions = {
  /** Messages worked on at once. */
  readonly concurrency?: number
}

/** A running consumer. Disposing stops the intake, waits for the handlers under way, then resolves. */
export type Consumer = AsyncDisposable

/** A message that was given up, as an operator sees it. */
export type DeadLetter = {
  /** Names it among the dead letters of its entity. */
  readonly id: string
  /** The error's stable code. */
  readonly reason: string
  /** One sentence on what is wrong and what to do. */
  readonly description: string
  readonly deliveryCount: number
  readonly deadLetteredAt: string
  readonly body: unknown
}

/**
 * Small messages between services; data itself is named, not carried (claim check).
 *
 * Delivery is at least once, in no promised order: handlers are idempotent. A message that does not parse against its
 * contract goes to the dead letters at once; so does one whose handler throws a `TerminalError`. After any other error
 * it is given back, and dead-lettered when the broker has handed it out too often.
 */
export interface MessageBus extends AsyncDisposable {
  /** Hands one command to whichever worker of the queue is free. Resolves when the broker has it. */
  send(queue: Queue, command: Command): Promise<void>
  /** Tells every subscription of the events topic. Resolves when the broker has it. */
  publish(event: Event): Promise<void>
  consume(queue: Queue, handler: MessageHandler<Command>, options?: ConsumeOptions): Promise<Consumer>
  /** @param subscription a consumer group: each group gets every event, each event goes to one member of it */
  subscribe(subscription: string, handler: MessageHandler<Event>, options?: ConsumeOptions): Promise<Consumer>
  /**
   * The dead letters of a queue, or of a subscription of the events topic (`events/<subscription>`), oldest first. Where
   * there are very many, a broker shows only the oldest few thousand.
   */
  deadLetters(entity: string): Promise<readonly DeadLetter[]>
  /**
   * Puts a dead letter back at the end of its queue with a delivery count of 0. An event may be heard by the topic's
   * other subscriptions once more, where a broker cannot put it back into one alone. False when it is not there.
   */
  resend(entity: string, id: string): Promise<boolean>
  /** Removes a dead letter for good. False when it is not there. */
  discard(entity: string, id: string): Promise<boolean>
  /** Sends again all that are there now. Returns how many there were. */
  resendAll(entity: string): Promise<number>
  /** Removes all that are there now. Returns how many there were. */
  discardAll(entity: string): Promise<number>
}
