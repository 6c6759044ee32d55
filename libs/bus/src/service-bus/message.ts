import type { Command, Event } from '@cinelake/contracts'
import { sha256 } from '@cinelake/core'
import type { DeadLetterOptions, ServiceBusMessage, ServiceBusReceivedMessage } from '@azure/service-bus'
import { randomUUID } from 'node:crypto'
import type { DeadLetter } from '../bus.ts'
import { DELIVERED_TOO_OFTEN, type Reason } from '../lease.ts'

/** A command or event as a message of the broker. */
export function messageOf(message: Command | Event, text: string): ServiceBusMessage {
  const run = 'run' in message ? message.run : undefined
  const traceparent = ('traceparent' in message ? message.traceparent : undefined) ?? traceparentOf(message.id, run)
  return {
    body: Buffer.from(text),
    contentType: 'application/json',
    // Never the message's own id: that comes once more when a dead letter is sent again.
    messageId: randomUUID(),
    ...(run === undefined ? {} : { correlationId: run }),
    subject: message.kind,
    applicationProperties: {
      contract: message.contract,
      kind: message.kind,
      id: message.id,
      traceparent,
      // The name that Azure's own tools look for. Source: learn.microsoft.com/azure/service-bus-messaging/service-bus-end-to-end-tracing
      'Diagnostic-Id': traceparent,
    },
  }
}

/**
 * The trace context of a message that nobody gave one: the trace is the run, so that all that belongs to a run is found
 * together; a message of no run is a trace of its own. Source of the form: w3.org/TR/trace-context, version 00
 */
function traceparentOf(id: string, run = id): string {
  return `00-${sha256(run).slice(0, 32)}-${sha256(id).slice(0, 16)}-01`
}

/** What the body of a received message says, whoever sent it and in whatever section. */
export function textOf({ body }: Pick<ServiceBusReceivedMessage, 'body'>): string {
  const content: unknown = body
  if (content instanceof Uint8Array) return Buffer.from(content).toString('utf8')
  return typeof content === 'string' ? content : (JSON.stringify(content) ?? '')
}

/** What a dead letter of ours carries besides reason and description: the broker does not tell when it died. */
const DELIVERY_COUNT = 'cinelake-delivery-count'
const DEAD_LETTERED_AT = 'cinelake-dead-lettered-at'

/** How a message is dead-lettered: the error's code is the reason. */
export function deadLetterOptions({ code, message }: Reason, deliveryCount: number): DeadLetterOptions & Properties {
  return {
    deadLetterReason: code,
    deadLetterErrorDescription: message,
    [DELIVERY_COUNT]: deliveryCount,
    [DEAD_LETTERED_AT]: new Date().toISOString(),
  }
}

type Properties = Readonly<Record<string, string | number>>

/** What a broker that dead-letters by itself gives as the reason, in our codes. */
const REASONS: Readonly<Record<string, string>> = {
  MaxDeliveryCountExceeded: DELIVERED_TOO_OFTEN,
  TTLExpiredException: 'MESSAGE_EXPIRED',
}

/** A dead letter as an operator sees it. Its id is the broker's number for it. */
export function deadLetterOf(letter: ServiceBusReceivedMessage): DeadLetter {
  const { deadLetterReason: reason = 'UNKNOWN', deadLetterErrorDescription: description = '' } = letter
  const properties = letter.applicationProperties ?? {}
  const at = properties[DEAD_LETTERED_AT] ?? letter.enqueuedTimeUtc?.toISOString()
  return {
    id: idOf(letter),
    reason: REASONS[reason] ?? reason,
    description,
    deliveryCount: Number(properties[DELIVERY_COUNT] ?? letter.deliveryCount ?? 0),
    deadLetteredAt: typeof at === 'string' ? at : '',
    body: parsed(textOf(letter)),
  }
}

export function idOf({ sequenceNumber }: Pick<ServiceBusReceivedMessage, 'sequenceNumber'>): string {
  return sequenceNumber?.toString() ?? ''
}

/** The message of a dead letter as a new one. */
export function messageAgain(letter: ServiceBusReceivedMessage): ServiceBusMessage {
  const left = ['DeadLetterReason', 'DeadLetterErrorDescription', DELIVERY_COUNT, DEAD_LETTERED_AT]
  const properties = Object.entries(letter.applicationProperties ?? {}).filter(([name]) => !left.includes(name))
  return {
    // As bytes: the client library would write any other body down as JSON once more.
    body: Buffer.from(textOf(letter)),
    messageId: randomUUID(),
    ...(letter.contentType === undefined ? {} : { contentType: letter.contentType }),
    ...(letter.correlationId === undefined ? {} : { correlationId: letter.correlationId }),
    ...(letter.subject === undefined ? {} : { subject: letter.subject }),
    applicationProperties: Object.fromEntries(properties),
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
