import type { Command, Event } from '@cinelake/contracts'
import { sha256 } from '@cinelake/core'
import type { DeadLetterOptions, ServiceBusMessage, ServiceBusReceivedMessage } from '@azure/service-bus'
import { randomUUID } from 'node:crypto'
import type { DeadLetter } from '../bus.ts'
import { DELIVERED_TOO_OFTEN, type Reason } from '../lease.ts'
import { activeTrace, type TraceContext } from '../tracing.ts'

/** A command or event as a Service Bus message. */
export function messageOf(message: Command | Event, text: string): ServiceBusMessage {
  const run = 'run' in message ? message.run : undefined
  const { traceparent = traceparentOf(message.id, run), ...sentIn } = activeTrace()
  return {
    body: Buffer.from(text),
    contentType: 'application/json',
    // Never the message's own id: resubmitting a dead letter uses that again.
    messageId: randomUUID(),
    ...(run === undefined ? {} : { correlationId: run }),
    subject: message.kind,
    applicationProperties: {
      contract: message.contract,
      kind: message.kind,
      id: message.id,
      ...sentIn,
      traceparent,
      // The property that Azure's own tools read. Source:
      // learn.microsoft.com/azure/service-bus-messaging/service-bus-end-to-end-tracing
      'Diagnostic-Id': traceparent,
    },
  }
}

/**
 * The trace context of a message that came without one: the trace is the run, so that all messages of a run are found
 * together; a message without a run is a trace of its own. Source of the form: w3.org/TR/trace-context, version 00
 */
function traceparentOf(id: string, run = id): string {
  return `00-${sha256(run).slice(0, 32)}-${sha256(id).slice(0, 16)}-01`
}

/** The trace context that a message was sent with. */
export function traceContextOf({ applicationProperties = {} }: ServiceBusReceivedMessage): TraceContext {
  const { traceparent, tracestate } = applicationProperties
  return {
    ...(typeof traceparent === 'string' && { traceparent }),
    ...(typeof tracestate === 'string' && { tracestate }),
  }
}

/** The content of a received message, from any sender and in any AMQP body section. */
export function bodyText({ body }: Pick<ServiceBusReceivedMessage, 'body'>): string {
  const content: unknown = body
  if (content instanceof Uint8Array) return Buffer.from(content).toString('utf8')
  return typeof content === 'string' ? content : (JSON.stringify(content) ?? '')
}

/** Additional properties of our dead letters: the broker does not record when a message was dead-lettered. */
const DELIVERY_COUNT = 'cinelake-delivery-count'
const DEAD_LETTERED_AT = 'cinelake-dead-lettered-at'

/** Dead-letter options: the error's code is the reason. */
export function deadLetterOptions({ code, message }: Reason, deliveryCount: number): DeadLetterOptions & Properties {
  return {
    deadLetterReason: code,
    deadLetterErrorDescription: message,
    [DELIVERY_COUNT]: deliveryCount,
    [DEAD_LETTERED_AT]: new Date().toISOString(),
  }
}

type Properties = Readonly<Record<string, string | number>>

/** The broker's own dead-letter reasons, and our codes for them. */
const REASONS: Readonly<Record<string, string>> = {
  MaxDeliveryCountExceeded: DELIVERED_TOO_OFTEN,
  TTLExpiredException: 'MESSAGE_EXPIRED',
}

/** A dead letter as an operator sees it. Its id is the broker's sequence number. */
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
    body: parsed(bodyText(letter)),
  }
}

export function idOf({ sequenceNumber }: Pick<ServiceBusReceivedMessage, 'sequenceNumber'>): string {
  return sequenceNumber?.toString() ?? ''
}

/** A new message with the content of a dead letter. */
export function messageAgain(letter: ServiceBusReceivedMessage): ServiceBusMessage {
  const left = ['DeadLetterReason', 'DeadLetterErrorDescription', DELIVERY_COUNT, DEAD_LETTERED_AT]
  const properties = Object.entries(letter.applicationProperties ?? {}).filter(([name]) => !left.includes(name))
  return {
    // As bytes: the client library would encode any other body as JSON a second time.
    body: Buffer.from(bodyText(letter)),
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
