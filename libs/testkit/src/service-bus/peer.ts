import { randomUUID } from 'node:crypto'
import type { Delivery, EventContext, Receiver, Sender } from 'rhea'
import { createAccess, type Keys } from './access.ts'
import { accepted, createAnswers, internalsOf, messagesOf, rejected, type AmqpMessage } from './amqp.ts'
import { createConsumerLink, type ConsumerLink } from './consumer-link.ts'
import { notFound, serverBusy, unauthorised } from './errors.ts'
import { delayed, strikes, type PendingFaults } from './faults.ts'
import { failed, manage } from './management.ts'
import type { Namespace } from './namespace.ts'

/** One connected client, by what arrives from it. */
export type Peer = {
  /** It wants to send. */
  onReceiverOpen(link: Receiver): void
  /** It wants to receive. */
  onSenderOpen(link: Sender): void
  onMessage(context: EventContext): void
  onFlow(link: Sender): void
  onDrain(link: Sender): void
  onSettlement(link: Sender, delivery: Delivery): void
  onSenderClose(link: Sender): void
  close(): void
}

/** Bytes. Service Bus Standard limit. Source: learn.microsoft.com/azure/service-bus-messaging/service-bus-quotas */
const MAX_MESSAGE_BYTES = 256 * 1024

/** Frames of rhea's `message` event name the format of what is not a plain message. */
type MessageContext = EventContext & { readonly format?: number }

const MANAGEMENT = '/$management'

export function createPeer(namespace: Namespace, keys: Keys, faults: PendingFaults): Peer {
  const access = createAccess(keys)
  const answers = createAnswers()
  const consumers = new Map<Sender, ConsumerLink>()
  /** Links that answers to requests go out on, by the address that a request names. */
  const replies = new Map<string, Sender>()

  const answer = (delivery: Delivery, outcome = accepted()) => delayed(faults, () => answers.give(delivery, outcome))

  const reply = (request: AmqpMessage, response: AmqpMessage) =>
    delayed(faults, () => {
      const link = replies.get(request.reply_to ?? '')
      if (link?.is_open() === true) link.send({ ...response, correlation_id: request.message_id } as never)
    })

  const putToken = (request: AmqpMessage) => {
    const isAllowed = !faults.isRefusingTokens && access.put(request)
    const [code, words] = isAllowed ? [202, 'Accepted'] : [401, 'InvalidSignature: The token has an invalid signature.']
    reply(request, { application_properties: { 'status-code': code, 'status-description': words } })
  }

  const store = (address: string, delivery: Delivery, messages: readonly AmqpMessage[]) => {
    if (strikes(faults, 'refusedSends')) return answer(delivery, rejected(serverBusy))
    // The service gives every message an id; the client library's lock renewal needs one.
    namespace.send(
      address,
      messages.map((message) => ({ ...message, message_id: message.message_id ?? randomUUID() })),
    )
    if (!strikes(faults, 'lostSendAnswers')) answer(delivery)
  }

  const manageEntity = (address: string, request: AmqpMessage) => {
    const entity = namespace.entity(address)
    reply(request, entity === undefined ? failed(404, notFound(address)) : manage(entity, request, faults))
  }

  return {
    onReceiverOpen(link) {
      const address = link.target.address ?? ''
      link.set_target({ address })
      internalsOf(link).local.attach.max_message_size = MAX_MESSAGE_BYTES
      if (address === '$cbs') return
      const path = address.replace(MANAGEMENT, '')
      if (!access.allows(path)) return refuse(link, unauthorised)
      if (!namespace.hasTarget(path) && namespace.entity(path) === undefined) refuse(link, notFound(path))
    },
    onSenderOpen(link) {
      const address = link.source.address
      const target = link.target?.address
      link.set_source({ address })
      if (target !== undefined) link.set_target({ address: target })
      if (address === '$cbs' || address.endsWith(MANAGEMENT)) {
        internalsOf(link).local.attach.snd_settle_mode = 1
        for (const name of [link.name, target]) if (name !== undefined) replies.set(name, link)
        return
      }
      const entity = namespace.entity(address)
      if (!access.allows(address)) return refuse(link, unauthorised)
      if (entity === undefined) return refuse(link, notFound(address))
      const { local, remote } = internalsOf(link)
      Object.assign(local.attach, {
        snd_settle_mode: remote.attach.snd_settle_mode,
        rcv_settle_mode: remote.attach.rcv_settle_mode,
        max_message_size: MAX_MESSAGE_BYTES,
      })
      const consumer = createConsumerLink(link, entity, faults)
      consumers.set(link, consumer)
      entity.join(consumer.taker)
    },
    onMessage({ receiver, delivery, message, format }: MessageContext) {
      if (receiver === undefined || delivery === undefined || message === undefined) return
      const address = receiver.target.address ?? ''
      const isRequest = address === '$cbs' || address.endsWith(MANAGEMENT)
      const messages = messagesOf(message, format)
      if (!isRequest) return store(address, delivery, messages)
      answer(delivery)
      for (const request of messages) {
        if (address === '$cbs') putToken(request)
        else manageEntity(address.replace(MANAGEMENT, ''), request)
      }
    },
    onFlow: (link) => consumers.get(link)?.onFlow(),
    onDrain: (link) => consumers.get(link)?.onDrain(),
    onSettlement(link, delivery) {
      const outcome = consumers.get(link)?.settle(delivery)
      if (outcome !== undefined && !strikes(faults, 'lostSettlementAnswers')) answer(delivery, outcome)
    },
    onSenderClose(link) {
      const consumer = consumers.get(link)
      consumers.delete(link)
      consumer?.entity.leave(consumer.taker)
    },
    close() {
      for (const { entity, taker } of consumers.values()) entity.leave(taker)
      consumers.clear()
    },
  }
}

/** An attach is refused by answering it without an address, and closing it at once. Source: AMQP 1.0, 2.6.3 */
function refuse(link: Sender | Receiver, error: { condition?: string; description?: string }): void {
  const { attach } = internalsOf(link).local
  attach.source = undefined
  attach.target = undefined
  link.close(error)
}
