import { ServiceBusClient, type ServiceBusReceivedMessage, type ServiceBusReceiver } from '@azure/service-bus'
import { TerminalError, TransientError } from '@cinelake/core'
import { until } from '@cinelake/testkit'
import { expect, test } from 'vitest'
import { aLoad } from '../contract/bus-contract.ts'
import { givenBroker } from './service-bus.fixture.ts'
import { createSettlementGate, type Settling } from './settlement.ts'

/** 2,000 messages show it; CINELAKE_TEST_LONG=1 takes 10,000. */
const COUNT = process.env['CINELAKE_TEST_LONG'] === undefined ? 2000 : 10_000

class Refused extends TerminalError {
  readonly code = 'TEST_REFUSED'
}
class Away extends TransientError {
  readonly code = 'TEST_AWAY'
}

/** Two messages of a fresh queue in the hands of the client library alone. */
async function twoMessages() {
  await using opening = new AsyncDisposableStack()
  const given = opening.use(await givenBroker())
  const client = new ServiceBusClient(given.broker().connectionString)
  opening.defer(() => client.close())
  const bus = given.bus()
  for (const table of ['a', 'b']) await bus.send('loader', aLoad(table))
  const receiver = client.createReceiver('loader', { maxAutoLockRenewalDurationInMs: 0 })
  const messages = await receiver.receiveMessages(2)
  const owned = opening.move()
  return { bus, receiver, messages, [Symbol.asyncDispose]: async () => await owned.disposeAsync() }
}

function settle(receiver: ServiceBusReceiver, message: ServiceBusReceivedMessage, how: Settling) {
  if (how === 'complete') return receiver.completeMessage(message)
  return how === 'abandon' ? receiver.abandonMessage(message) : receiver.deadLetterMessage(message)
}

test('without the gate the client library loses a message: once this fails, the gate can go', async () => {
  await using given = await twoMessages()
  const [one, two] = given.messages

  await Promise.all([settle(given.receiver, one!, 'complete'), settle(given.receiver, two!, 'dead-letter')])

  expect(await given.bus.deadLetters('loader')).toEqual([])
})

test.each([
  ['complete', 'dead-letter', 1],
  ['dead-letter', 'complete', 1],
  ['dead-letter', 'dead-letter', 2],
  ['complete', 'complete', 0],
] as const)('through the gate, %s beside %s stay what they are', async (first, second, dead) => {
  await using given = await twoMessages()
  const [one, two] = given.messages
  const gate = createSettlementGate()

  await Promise.all([
    gate.pass(first, () => settle(given.receiver, one!, first)),
    gate.pass(second, () => settle(given.receiver, two!, second)),
  ])

  expect(await given.bus.deadLetters('loader')).toHaveLength(dead)
})

test('a settlement that fails does not hold up the next', async () => {
  const gate = createSettlementGate()

  const failed = gate.pass('complete', () => Promise.reject(new Error('lost')))
  const next = gate.pass('dead-letter', async () => 'done')

  await expect(failed).rejects.toThrow('lost')
  expect(await next).toBe('done')
})

test(`of ${COUNT} messages settled in all ways at concurrency 32, none is lost and none is swapped`, async () => {
  await using given = await givenBroker()
  const bus = given.bus()
  const deliveries = new Map<string, number>()
  const wayOf = (table: string) => Number(table) % 3
  const tables = Array.from({ length: COUNT }, (_, index) => String(index))
  for (let sent = 0; sent < COUNT; sent += 500)
    await Promise.all(tables.slice(sent, sent + 500).map((table) => bus.send('loader', aLoad(table))))

  await using _ = await bus.consume(
    'loader',
    async (command, { deliveryCount }) => {
      const { table } = command as { table: string }
      deliveries.set(table, (deliveries.get(table) ?? 0) + 1)
      if (wayOf(table) === 1 && deliveryCount === 1) throw new Away('away', {})
      if (wayOf(table) === 2) throw new Refused(`refused ${table}`, {})
    },
    { concurrency: 32 },
  )
  await until('all are settled', () => given.broker().messageCount('loader') === 0)

  const expected = new Map(tables.map((table) => [table, wayOf(table) === 1 ? 2 : 1]))
  expect(deliveries).toEqual(expected)
  const letters = await bus.deadLetters('loader')
  const dead = letters.map(({ body, description }) => `${(body as { table: string }).table}: ${description}`)
  const refused = tables.filter((table) => wayOf(table) === 2).map((table) => `${table}: refused ${table}`)
  expect(dead.sort()).toEqual(refused.sort())
})
