import rhea, { type AmqpError } from 'rhea'
import { encode, numberOf, tagOfLockToken, type AmqpMessage } from './amqp.ts'
import { onTheWire } from './consumer-link.ts'
import type { Entity, Settlement } from './entity.ts'
import { lockLost, notAllowed, serverBusy } from './errors.ts'
import { strikes, type PendingFaults } from './faults.ts'

type Body = Readonly<Record<string, unknown>>

/**
 * Does what a request to an entity's `$management` node asks for. Sessions, deferral and scheduling are not supported.
 * Source: learn.microsoft.com/azure/service-bus-messaging/service-bus-amqp-request-response
 */
export function manage(entity: Entity, request: AmqpMessage, faults: PendingFaults): AmqpMessage {
  const operation = String(request.application_properties?.['operation']).replace('com.microsoft:', '')
  const body = (request.body ?? {}) as Body
  switch (operation) {
    case 'renew-lock':
      return strikes(faults, 'refusedRenewals') ? failed(503, serverBusy) : renew(entity, body)
    case 'peek-message':
      return peek(entity, body)
    case 'update-disposition':
      return settle(entity, body)
    default:
      return failed(501, notAllowed(`The loopback broker does not support ${operation}.`))
  }
}

function renew(entity: Entity, body: Body): AmqpMessage {
  const expirations = tokensOf(body).map((token) => entity.renew(token))
  if (expirations.includes(undefined)) return failed(410, lockLost)
  return done({ expirations: rhea.types.wrap_array(expirations, TIMESTAMP, undefined) })
}

/** The type code of AMQP's timestamp. */
const TIMESTAMP = 0x83

function peek(entity: Entity, body: Body): AmqpMessage {
  const found = entity.peek(numberOf(body['from-sequence-number']), numberOf(body['message-count']))
  if (found.length === 0) return { application_properties: { statusCode: 204, statusDescription: 'No Content' } }
  return done({ messages: found.map((stored) => ({ message: encode(onTheWire(stored)) })) })
}

function settle(entity: Entity, body: Body): AmqpMessage {
  const settlement = settlementOf(body)
  if (settlement === undefined) return failed(501, notAllowed('The loopback broker does not support deferring.'))
  const held = tokensOf(body).map((token) => entity.settle(token, settlement))
  return held.includes(false) ? failed(410, lockLost) : done()
}

function settlementOf(body: Body): Settlement | undefined {
  const modify = (body['properties-to-modify'] ?? {}) as Readonly<Record<string, unknown>>
  switch (body['disposition-status']) {
    case 'completed':
      return { kind: 'complete' }
    case 'abandoned':
      return { kind: 'abandon', modify }
    case 'suspended':
      return {
        kind: 'dead-letter',
        reason: {
          ...modify,
          DeadLetterReason: body['deadletter-reason'],
          DeadLetterErrorDescription: body['deadletter-description'],
        },
      }
    default:
      return undefined
  }
}

function tokensOf(body: Body): string[] {
  return ((body['lock-tokens'] ?? []) as Buffer[]).map((token) => tagOfLockToken(Buffer.from(token)).toString('hex'))
}

function done(body?: unknown): AmqpMessage {
  return { application_properties: { statusCode: 200, statusDescription: 'OK' }, body }
}

export function failed(statusCode: number, { condition, description }: AmqpError): AmqpMessage {
  return { application_properties: { statusCode, statusDescription: description, errorCondition: condition } }
}
