import rhea, { type AmqpError, type Delivery, type Message, type Receiver, type Sender } from 'rhea'

/** A message as rhea decodes it: every section of AMQP 1.0 by its snake_case name. */
export type AmqpMessage = Record<string, unknown> & {
  readonly message_id?: unknown
  readonly ttl?: number
  readonly reply_to?: string
  readonly body?: unknown
  readonly application_properties?: Readonly<Record<string, unknown>>
  readonly message_annotations?: Readonly<Record<string, unknown>>
}

/** What rhea keeps on a link of a broker, and its typings leave out. */
export type BrokerLink = {
  readonly local: {
    readonly attach: {
      source?: unknown
      target?: unknown
      max_message_size?: number
      snd_settle_mode?: number
      rcv_settle_mode?: number
    }
  }
  readonly remote: { readonly attach: { readonly snd_settle_mode?: number; readonly rcv_settle_mode?: number } }
  credit: number
  delivery_count: number
  issue_flow: boolean
  _draining: boolean
  _drained: boolean
  _get_drain: () => boolean
}

export function internalsOf(link: Sender | Receiver): BrokerLink {
  return link as unknown as BrokerLink
}

/** How a delivery ended, as a frame carries it. */
export type Outcome = { readonly isAccepted: boolean; readonly state: unknown }

type Outcomes = {
  accepted(): { described(): unknown }
  rejected(fields: { error: AmqpError }): { described(): unknown }
}
const outcomes = rhea.message as unknown as Outcomes

export const accepted = (): Outcome => ({ isAccepted: true, state: outcomes.accepted().described() })
export const rejected = (error: AmqpError): Outcome => ({
  isAccepted: false,
  state: outcomes.rejected({ error }).described(),
})

export function encode(message: AmqpMessage): Buffer {
  return rhea.message.encode(message)
}

export function decode(bytes: Buffer): AmqpMessage {
  return rhea.message.decode(bytes)
}

/**
 * The messages of one transfer: Service Bus sends a batch as one message whose body is a data section for each.
 * Source: format 0x80013700 in @azure/service-bus, serviceBusMessageBatch
 */
export function messagesOf(message: Message | Buffer, format: number | undefined): AmqpMessage[] {
  if (format === undefined || format === 0) return [message as unknown as AmqpMessage]
  const { body } = decode(message as Buffer) as { body: { content: Buffer | Buffer[] } }
  return [body.content].flat().map(decode)
}

/**
 * Answers deliveries. rhea (at least up to 3.0.5) writes adjacent answers of one turn of the event loop as one frame with
 * the first one's outcome, so outcomes that differ get a turn each.
 */
export function createAnswers(): { give(delivery: Delivery, outcome: Outcome): void } {
  let waiting: { readonly delivery: Delivery; readonly outcome: Outcome }[] = []
  const write = () => {
    const differing = waiting.findIndex(({ outcome }) => !outcome.isAccepted)
    const count = differing === -1 ? waiting.length : Math.max(1, differing)
    for (const { delivery, outcome } of waiting.slice(0, count)) answer(delivery, outcome)
    waiting = waiting.slice(count)
    if (waiting.length > 0) setImmediate(write)
  }
  return {
    give(delivery, outcome) {
      waiting.push({ delivery, outcome })
      if (waiting.length === 1) setImmediate(write)
    },
  }
}

function answer(delivery: Delivery, { state }: Outcome): void {
  if (!delivery.link.is_remote_open() || delivery.settled) return
  delivery.update(true, state)
  // Consumers that settle second never settle once more; without this rhea keeps the delivery, and its window fills up.
  Object.assign(delivery, { remote_settled: true })
}

/**
 * A lock token as it travels. The delivery's tag has the byte order of a .NET Guid; `$management` has that of RFC 4122.
 * Source: getLockToken of @azure/service-bus, serviceBusMessage
 */
export function tagOfLockToken(token: Buffer): Buffer {
  return Buffer.concat([
    token.subarray(0, 4).reverse(),
    token.subarray(4, 6).reverse(),
    token.subarray(6, 8).reverse(),
    token.subarray(8),
  ])
}

/** A number of the AMQP types long or int, which rhea gives as bytes where it does not fit. */
export function numberOf(value: unknown): number {
  return Buffer.isBuffer(value) ? Number(value.readBigInt64BE(0)) : Number(value)
}
