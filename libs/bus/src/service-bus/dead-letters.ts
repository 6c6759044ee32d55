import type {
  ServiceBusClient,
  ServiceBusReceivedMessage,
  ServiceBusReceiver,
  ServiceBusSender,
} from '@azure/service-bus'
import type { Log } from '@cinelake/core'
import Long from 'long'
import type { DeadLetter } from '../bus.ts'
import { busErrors } from '../errors.ts'
import { closeInTime, receiverOf, targetOf } from './client.ts'
import { translateBusError } from './errors.ts'
import { deadLetterOf, idOf, messageAgain } from './message.ts'
import { createSettlementGate } from './settlement.ts'

/** Messages requested at once. */
const PAGE = 100

/** Dead letters read at most: more than an operator reviews, and the bound for memory. */
const MAX_DEAD_LETTERS = 5000

/** Milliseconds to wait for messages that were there a moment ago. */
const TAKE_TIMEOUT_MS = 5000

/** The action on a dead letter that is removed. */
export type Fate = 'resend' | 'discard'

export type DeadLetterDesk = {
  list(entity: string): Promise<readonly DeadLetter[]>
  /** False when it is not there. */
  take(entity: string, id: string, fate: Fate): Promise<boolean>
  takeAll(entity: string, fate: Fate): Promise<number>
}

/**
 * Peeks at dead letters, and removes them. The broker delivers dead letters in order only, so one in the middle is
 * received by locking all before it, which are then abandoned. A resubmitted message is sent first and removed second:
 * if this process ends in between, it exists twice, and handlers are idempotent.
 */
export function createDeadLetterDesk(client: ServiceBusClient, log: Log): DeadLetterDesk {
  const withReceiver = async <T>(entity: string, doing: string, work: (receiver: ServiceBusReceiver) => Promise<T>) => {
    const receiver = receiverOf(client, entity, true)
    try {
      return await work(receiver)
    } catch (error) {
      throw translateBusError(error, { entity, doing: `${doing} dead letters of ${entity}`, role: 'receive' })
    } finally {
      await closeInTime(receiver)
    }
  }

  /** Settles locked dead letters: one after the other, so that no two are settled in one turn of the event loop. */
  const end = async (
    entity: string,
    receiver: ServiceBusReceiver,
    letters: ServiceBusReceivedMessage[],
    fate: Fate,
  ) => {
    const sender = client.createSender(targetOf(entity))
    try {
      for (const letter of letters) {
        if (fate === 'resend') await sendAgain(sender, entity, letter)
        await receiver.completeMessage(letter)
        log.info({ entity, letter: idOf(letter), reason: letter.deadLetterReason }, `dead letter: ${fate}`)
      }
    } finally {
      await closeInTime(sender)
    }
  }

  return {
    list: (entity) =>
      withReceiver(entity, 'look at', async (receiver) => {
        const letters = await peekAll(receiver)
        if (letters.length === MAX_DEAD_LETTERS) {
          log.warn({ entity, limit: MAX_DEAD_LETTERS }, 'there may be more dead letters than are shown')
        }
        return letters.map(deadLetterOf)
      }),
    take: (entity, id, fate) =>
      withReceiver(entity, `${fate} one of the`, async (receiver) => {
        const place = (await peekAll(receiver)).findIndex((letter) => idOf(letter) === id)
        if (place === -1) return false
        const held: ServiceBusReceivedMessage[] = []
        try {
          const wanted = await receiveUntil(receiver, id, place + 1, held)
          if (wanted === undefined) throw busErrors.BUS_UNAVAILABLE(`take dead letter ${id} of ${entity}`, 'LOCKED')
          await end(entity, receiver, [wanted], fate)
          return true
        } finally {
          await giveBack(receiver, held)
        }
      }),
    takeAll: (entity, fate) =>
      withReceiver(entity, `${fate} the`, async (receiver) => {
        // Only those that are there now: messages that fail again meanwhile would make this endless.
        let left = (await peekAll(receiver)).length
        let taken = 0
        while (left > 0) {
          const letters = await receiver.receiveMessages(Math.min(left, PAGE), { maxWaitTimeInMs: TAKE_TIMEOUT_MS })
          if (letters.length === 0) break
          await end(entity, receiver, letters, fate)
          taken += letters.length
          left -= letters.length
        }
        return taken
      }),
  }
}

/** All dead letters, oldest first, without locking them. */
async function peekAll(receiver: ServiceBusReceiver): Promise<ServiceBusReceivedMessage[]> {
  const found: ServiceBusReceivedMessage[] = []
  let from = Long.UONE
  while (found.length < MAX_DEAD_LETTERS) {
    const page = await receiver.peekMessages(PAGE, { fromSequenceNumber: from })
    const last = page.at(-1)?.sequenceNumber
    if (last === undefined) break
    found.push(...page)
    from = last.add(1)
  }
  return found
}

/**
 * Locks dead letters until the requested one arrives. The others are left in `held`.
 * @param expected its position, counted from 1
 */
async function receiveUntil(
  receiver: ServiceBusReceiver,
  id: string,
  expected: number,
  held: ServiceBusReceivedMessage[],
): Promise<ServiceBusReceivedMessage | undefined> {
  while (held.length < MAX_DEAD_LETTERS) {
    const count = Math.max(1, Math.min(expected - held.length, PAGE))
    const letters = await receiver.receiveMessages(count, { maxWaitTimeInMs: TAKE_TIMEOUT_MS })
    if (letters.length === 0) return undefined
    const wanted = letters.find((letter) => idOf(letter) === id)
    held.push(...letters.filter((letter) => letter !== wanted))
    if (wanted !== undefined) return wanted
  }
  return undefined
}

async function giveBack(receiver: ServiceBusReceiver, held: readonly ServiceBusReceivedMessage[]): Promise<void> {
  const gate = createSettlementGate()
  // If the lock has expired, the message is already back.
  await Promise.allSettled(held.map((letter) => gate.pass('abandon', () => receiver.abandonMessage(letter))))
}

async function sendAgain(sender: ServiceBusSender, entity: string, letter: ServiceBusReceivedMessage): Promise<void> {
  try {
    await sender.sendMessages(messageAgain(letter))
  } catch (error) {
    throw translateBusError(error, { entity, doing: `send to ${targetOf(entity)}`, role: 'send' })
  }
}
