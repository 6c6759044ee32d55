import type { RetryOptions, ServiceBusSender } from '@azure/service-bus'
import type { Command, Event } from '@cinelake/contracts'
import { silentLog, type Log, type PipelineError } from '@cinelake/core'
import Long from 'long'
import type { ConsumeOptions, Consumer, MessageBus, MessageHandler } from '../bus.ts'
import { commandCodec, eventCodec, type Codec } from '../codec.ts'
import { ENTITY_PROPERTIES, EVENTS_TOPIC } from '../entities.ts'
import { busErrors } from '../errors.ts'
import {
  closeInTime,
  createClient,
  entityOfSubscription,
  receiverOf,
  type ServiceBusEntrance,
  waitAtMost,
  type WebSockets,
} from './client.ts'
import { startServiceBusConsumer } from './consumer.ts'
import { createDeadLetterDesk } from './dead-letters.ts'
import { translateBusError } from './errors.ts'
import { messageOf } from './message.ts'

export { createEntities, type EntityOutcome } from './entities.ts'

export type ServiceBusOptions = {
  readonly entrance: ServiceBusEntrance
  readonly webSockets?: WebSockets | undefined
  readonly log?: Log
  /** Lock duration of the entities; default: as in their definition. */
  readonly lockMs?: number
  /** Deliveries before a message is dead-lettered; default: as in the definition. At most the entity's own limit. */
  readonly maxDeliveryCount?: number
  /** Overrides of the client library's retry options. */
  readonly retry?: RetryOptions
  /** Timeout of a send, retries included. */
  readonly sendTimeoutMs?: number
}

/**
 * Milliseconds. Timeout of a send, retries included. Enforced here: a send during a connection loss keeps the client
 * library (7.9.5) from reconnecting for as long as it waits, and by itself it would wait for a minute.
 */
const SEND_TIMEOUT_MS = 30_000

/** Milliseconds that a new consumer waits for the broker to confirm that the entity exists and may be read. */
const CHECK_MS = 10_000

/**
 * Azure Service Bus: commands on queues, events on a topic, both under peek-lock. One connection for all, opened on
 * first use. Consumers reconnect automatically after any outage.
 */
export function createServiceBus(options: ServiceBusOptions): MessageBus {
  const { entrance, webSockets, retry = {}, sendTimeoutMs = SEND_TIMEOUT_MS, log = silentLog } = options
  const { lockMs = ENTITY_PROPERTIES.lockMs, maxDeliveryCount = ENTITY_PROPERTIES.maxDeliveryCount } = options
  const client = createClient(entrance, { webSockets, retry })
  const deadLetters = createDeadLetterDesk(client, log)
  const senders = new Map<string, ServiceBusSender>()
  const consumers = new Set<Consumer>()
  let isClosed = false

  const checkOpen = (doing: string) => {
    if (isClosed) throw busErrors.BUS_UNAVAILABLE(doing, 'CLOSED')
  }

  const send = async <Message extends Command | Event>(entity: string, codec: Codec<Message>, message: Message) => {
    const text = codec.encode(message)
    const doing = `send ${message.kind} to ${entity}`
    checkOpen(doing)
    const sender = senders.get(entity) ?? client.createSender(entity)
    senders.set(entity, sender)
    try {
      await sender.sendMessages(messageOf(message, text), { abortSignal: AbortSignal.timeout(sendTimeoutMs) })
    } catch (error) {
      throw translateBusError(error, { entity, doing, role: 'send', sizeBytes: Buffer.byteLength(text) })
    }
  }

  const consume = async <Message extends Command | Event>(
    entity: string,
    codec: Codec<Message>,
    handler: MessageHandler<Message>,
    { concurrency = 1 }: ConsumeOptions = {},
  ): Promise<Consumer> => {
    checkOpen(`consume ${entity}`)
    const receiver = receiverOf(client, entity)
    const link = { receiver, entity, concurrency, lockMs, maxDeliveryCount, log }
    const running = startServiceBusConsumer({ ...link, codec, handler })
    const consumer: Consumer = {
      async [Symbol.asyncDispose]() {
        consumers.delete(consumer)
        await running[Symbol.asyncDispose]()
      },
    }
    consumers.add(consumer)
    const problem = await problemOf(entity, () => receiver.peekMessages(1, { fromSequenceNumber: Long.UONE }))
    if (problem === undefined) return consumer
    await consumer[Symbol.asyncDispose]()
    throw problem
  }

  return {
    send: (queue, command) => send(queue, commandCodec, command),
    publish: (event) => send(EVENTS_TOPIC, eventCodec, event),
    consume: (queue, handler, consumeOptions) => consume(queue, commandCodec, handler, consumeOptions),
    subscribe: (subscription, handler, consumeOptions) =>
      consume(entityOfSubscription(subscription), eventCodec, handler, consumeOptions),
    deadLetters: (entity) => deadLetters.list(entity),
    resend: (entity, id) => deadLetters.take(entity, id, 'resend'),
    discard: (entity, id) => deadLetters.take(entity, id, 'discard'),
    resendAll: (entity) => deadLetters.takeAll(entity, 'resend'),
    discardAll: (entity) => deadLetters.takeAll(entity, 'discard'),
    async [Symbol.asyncDispose]() {
      // Running handlers may still settle their messages.
      await Promise.all([...consumers].map((consumer) => consumer[Symbol.asyncDispose]()))
      isClosed = true
      await closeInTime(client)
    },
  }
}

/**
 * A problem that an operator has to fix before the entity can be consumed. An unavailable broker is not one; nor is a
 * failed sign-in, since an agent without a network cannot tell it from missing configuration.
 */
async function problemOf(entity: string, check: () => Promise<unknown>): Promise<PipelineError | undefined> {
  const checked = check().then(
    () => undefined,
    (error: unknown) => translateBusError(error, { entity, doing: `receive from ${entity}`, role: 'receive' }),
  )
  const problem = await waitAtMost(CHECK_MS, checked)
  return problem?.code === 'BUS_UNAVAILABLE' || problem?.code === 'BUS_NO_IDENTITY' ? undefined : problem
}
