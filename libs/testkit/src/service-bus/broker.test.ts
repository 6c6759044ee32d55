import { isServiceBusError, ServiceBusClient, type ServiceBusReceiver } from '@azure/service-bus'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { temporaryDirectory } from '../temporary-directory.ts'
import { until } from '../until.ts'
import { startServiceBusBroker, type ServiceBusBrokerOptions } from './broker.ts'
import type { EmulatorConfig } from './emulator-config.ts'

type Properties = Readonly<Record<string, string | number | boolean>>

function aConfig(Properties: Properties = {}): EmulatorConfig {
  return {
    UserConfig: {
      Namespaces: [
        {
          Name: 'sbemulatorns',
          Queues: [{ Name: 'work', Properties }],
          Topics: [
            {
              Name: 'news',
              Subscriptions: [
                { Name: 'one', Properties },
                { Name: 'two', Properties },
              ],
            },
          ],
        },
      ],
    },
  }
}

/** A broker with the client library at it, without that library's retries. */
async function given(properties: Properties = {}, options: Partial<ServiceBusBrokerOptions> = {}) {
  await using opening = new AsyncDisposableStack()
  const broker = opening.use(await startServiceBusBroker({ config: aConfig(properties), ...options }))
  const client = new ServiceBusClient(broker.connectionString, { retryOptions: { maxRetries: 0, timeoutInMs: 30_000 } })
  opening.defer(() => client.close())
  const owned = opening.move()
  return {
    broker,
    client,
    sender: client.createSender('work'),
    receiver: client.createReceiver('work', { maxAutoLockRenewalDurationInMs: 0 }),
    dead: client.createReceiver('work', { subQueueType: 'deadLetter' }),
    [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
  }
}

async function one(receiver: ServiceBusReceiver) {
  const [message] = await receiver.receiveMessages(1, { maxWaitTimeInMs: 60_000 })
  if (message === undefined) throw new Error('expected a message, got none')
  return message
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  return isServiceBusError(error) ? error.code : String(error)
}

describe('a message', () => {
  test('keeps its body and properties, and is gone when it is completed', async () => {
    await using it = await given()
    const applicationProperties = { text: 'x', count: 1, isTrue: true, fraction: 1.5, large: 5_000_000_000 }

    await it.sender.sendMessages({ body: { a: 'é' }, messageId: 'm1', subject: 'load', applicationProperties })
    const message = await one(it.receiver)
    await it.receiver.completeMessage(message)

    expect(message).toMatchObject({ body: { a: 'é' }, messageId: 'm1', subject: 'load', applicationProperties })
    expect(message).toMatchObject({ deliveryCount: 0, enqueuedTimeUtc: expect.any(Date) as Date })
    expect(Number(message.lockedUntilUtc)).toBeGreaterThan(Date.now())
    expect(it.broker.messageCount('work')).toBe(0)
  })

  test('that is abandoned comes again in its place, and is counted', async () => {
    await using it = await given()
    await it.sender.sendMessages([{ body: 'a' }, { body: 'b' }])

    await it.receiver.abandonMessage(await one(it.receiver))
    const again = await one(it.receiver)

    expect([again.body, again.deliveryCount]).toEqual(['a', 1])
  })

  test('that is abandoned too often is dead-lettered', async () => {
    await using it = await given({ MaxDeliveryCount: 2 })
    await it.sender.sendMessages({ body: 'a' })

    for (const _try of [1, 2]) await it.receiver.abandonMessage(await one(it.receiver))

    expect(await one(it.dead)).toMatchObject({ body: 'a', deadLetterReason: 'MaxDeliveryCountExceeded' })
  })

  test('that is dead-lettered says why, and can be looked at there', async () => {
    await using it = await given()
    await it.sender.sendMessages({ body: 'a' })

    await it.receiver.deadLetterMessage(await one(it.receiver), {
      deadLetterReason: 'BAD',
      deadLetterErrorDescription: 'worse',
      run: 'r1',
    })

    const letter = {
      deadLetterReason: 'BAD',
      deadLetterErrorDescription: 'worse',
      applicationProperties: { run: 'r1' },
    }
    expect(await it.dead.peekMessages(5)).toMatchObject([letter])
    await it.dead.completeMessage(await one(it.dead))
    expect(await it.dead.peekMessages(5)).toEqual([])
  })

  test('that expires is dead-lettered, or gone, as its entity says', async () => {
    await using keeping = await given({ DeadLetteringOnMessageExpiration: true })
    await using losing = await given()

    for (const it of [keeping, losing]) await it.sender.sendMessages({ body: 'a', timeToLive: 50 })
    for (const it of [keeping, losing]) await until('it expired', () => it.broker.messageCount('work') === 0)

    expect(await one(keeping.dead)).toMatchObject({ deadLetterReason: 'TTLExpiredException' })
    expect(await losing.dead.peekMessages(1)).toEqual([])
  })

  test('of a topic goes to each subscription, and is settled there alone', async () => {
    await using it = await given()
    const [first, second] = ['one', 'two'].map((name) => it.client.createReceiver('news', name))

    await it.client.createSender('news').sendMessages({ body: 'a' })
    await first?.completeMessage(await one(first))

    expect(it.broker.messageCount('news/Subscriptions/one')).toBe(0)
    expect(await second?.peekMessages(1)).toMatchObject([{ body: 'a' }])
  })
})

describe('a lock', () => {
  // Locks end by a clock that the tests move, so that none ends while the machine stands still.
  beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'] }))
  afterEach(() => void vi.useRealTimers())
  const pass = (ms: number) => vi.setSystemTime(Date.now() + ms)

  test('that runs out gives the message to another, and what is settled late is refused', async () => {
    await using it = await given({ LockDuration: 'PT0.2S' })
    await it.sender.sendMessages({ body: 'a' })

    const late = await one(it.receiver)
    pass(200)
    const again = await one(it.receiver)

    expect(again.deliveryCount).toBe(1)
    expect(await codeOf(it.receiver.completeMessage(late))).toBe('MessageLockLost')
    await it.receiver.completeMessage(again)
  })

  test('that is renewed holds, until the message is settled', async () => {
    await using it = await given({ LockDuration: 'PT1M' })
    await it.sender.sendMessages({ body: 'a' })

    const message = await one(it.receiver)
    const firstEnd = Number(message.lockedUntilUtc)
    while (Date.now() <= firstEnd) {
      pass(40_000)
      await it.receiver.renewMessageLock(message)
    }
    await it.receiver.completeMessage(message)

    expect(await codeOf(it.receiver.renewMessageLock(message))).toBe('MessageLockLost')
  })

  test('that is expired on demand is lost', async () => {
    await using it = await given()
    await it.sender.sendMessages({ body: 'a' })
    const message = await one(it.receiver)

    expect(it.broker.faults.expireLocks('work')).toBe(1)

    expect(await codeOf(it.receiver.completeMessage(message))).toBe('MessageLockLost')
    expect(it.broker.messageCount('work')).toBe(1)
  })
})

describe('a link', () => {
  test('takes batches, and more messages than the window of its session', async () => {
    await using it = await given()
    const count = 2500
    const batch = await it.sender.createMessageBatch()
    for (let index = 0; index < count; index++) batch.tryAddMessage({ body: index })

    await it.sender.sendMessages(batch)
    const seen = new Set<unknown>()
    while (seen.size < batch.count) {
      const messages = await it.receiver.receiveMessages(250, { maxWaitTimeInMs: 3000 })
      for (const { body } of messages) seen.add(body)
      await Promise.all(messages.map((message) => it.receiver.completeMessage(message)))
    }

    expect(batch.count).toBeGreaterThan(2048)
    expect(seen.size).toBe(batch.count)
  })

  test('gives its credit back when there is nothing: no message is sent to nobody', async () => {
    await using it = await given()

    expect(await it.receiver.receiveMessages(5, { maxWaitTimeInMs: 50 })).toEqual([])
    await it.sender.sendMessages({ body: 'a' })

    expect(await one(it.client.createReceiver('work'))).toMatchObject({ body: 'a', deliveryCount: 0 })
  })

  test('to what is not there, or without the right key, is refused', async () => {
    await using it = await given()
    const wrong = new ServiceBusClient(it.broker.connectionString.replace('=loopback', '=other'), {
      retryOptions: { maxRetries: 0 },
    })

    expect(await codeOf(it.client.createSender('nowhere').sendMessages({ body: 1 }))).toBe('MessagingEntityNotFound')
    expect(await codeOf(it.client.createReceiver('nowhere').peekMessages(1))).toBe('MessagingEntityNotFound')
    expect(await codeOf(wrong.createSender('work').sendMessages({ body: 1 }))).toMatch(/InvalidSignature|Unauthorized/)
    await wrong.close()
  })
})

describe('faults', () => {
  test('a refused send stores nothing, and one whose answer is lost stores the message', async () => {
    await using it = await given()

    it.broker.faults.refuseSends()
    expect(await codeOf(it.sender.sendMessages({ body: 'a' }))).toBe('ServiceBusy')
    expect(it.broker.messageCount('work')).toBe(0)

    it.broker.faults.loseSendAnswers()
    expect(await codeOf(it.sender.sendMessages({ body: 'a' }))).toBe('ServiceTimeout')
    expect(it.broker.messageCount('work')).toBe(1)
  })

  test('what is delayed is overtaken by what is not', async () => {
    await using it = await given()
    it.broker.faults.delay(20)
    await it.sender.sendMessages({ body: 'a' })

    // Long after the end of the test.
    it.broker.faults.delay(600_000)
    let isAnswered = false
    const slow = it.sender.sendMessages({ body: 'b' }).then(
      () => (isAnswered = true),
      () => undefined,
    )
    await until('it is stored', () => it.broker.messageCount('work') === 2)
    it.broker.faults.delay(0)
    await it.sender.sendMessages({ body: 'c' })
    expect(isAnswered).toBe(false)

    it.broker.faults.dropConnections()
    await slow
  })

  test('dropped connections end all clients, and locks hold through that', async () => {
    await using it = await given()
    await it.sender.sendMessages({ body: 'a' })
    const message = await one(it.receiver)

    it.broker.faults.dropConnections()
    await until('all are gone', () => it.broker.connectionCount() === 0)
    // The client may still send on the connection that is gone.
    const renew = () =>
      it.receiver.renewMessageLock(message).then(
        () => true,
        (error: unknown) => {
          if (isServiceBusError(error) && error.code === 'MessageLockLost') throw error
          return false
        },
      )
    await until('the lock is renewed', renew)

    expect(it.broker.messageCount('work')).toBe(1)
  })
})

describe('a broker with a directory', () => {
  test('has after a restart what it had before: messages, counts, dead letters, numbers', async () => {
    await using directory = await temporaryDirectory()
    const options = { directory: directory.path }
    {
      await using before = await given({}, options)
      await before.sender.sendMessages(['a', 'b', 'c', 'd'].map((body) => ({ body, applicationProperties: { body } })))
      await before.receiver.completeMessage(await one(before.receiver))
      await before.receiver.deadLetterMessage(await one(before.receiver), {
        deadLetterReason: 'BAD',
        deadLetterErrorDescription: '',
      })
      await one(before.receiver)
    }

    await using after = await given({}, options)
    const [c, d] = [await one(after.receiver), await one(after.receiver)]
    await after.sender.sendMessages({ body: 'e' })

    expect([c, d].map(({ body, deliveryCount }) => [body, deliveryCount])).toEqual([
      ['c', 1],
      ['d', 0],
    ])
    expect(c.applicationProperties).toEqual({ body: 'c' })
    expect(await one(after.dead)).toMatchObject({ body: 'b', deadLetterReason: 'BAD' })
    expect(Number((await one(after.receiver)).sequenceNumber)).toBe(5)
  })

  test('starts though its last line was cut off, without what was never answered', async () => {
    await using directory = await temporaryDirectory()
    const options = { directory: directory.path }
    {
      await using before = await given({}, options)
      await before.sender.sendMessages({ body: 'a' })
    }
    await appendFile(join(directory.path, 'journal.ndjson'), '[{"op":"put","entity":"work","mess')

    await using after = await given({}, options)

    expect(after.broker.messageCount('work')).toBe(1)
  })
})

test('what the broker does not support is refused rather than ignored', async () => {
  const started = startServiceBusBroker({ config: aConfig({ RequiresSession: true }) })

  await expect(started).rejects.toThrow('RequiresSession')
})

test('as a program it reads its definition, says that it is healthy, and keeps messages over a kill', async () => {
  await using directory = await temporaryDirectory()
  const CONFIG = join(directory.path, 'Config.json')
  await writeFile(CONFIG, JSON.stringify(aConfig()))
  const start = async () => {
    const program = spawn(
      process.execPath,
      ['--conditions=@cinelake/source', fileURLToPath(new URL('main.ts', import.meta.url))],
      { env: { ...process.env, PORT: '0', HEALTH_PORT: '0', CONFIG, DATA: join(directory.path, 'data') } },
    )
    const [line] = (await once(program.stdout, 'data')) as [Buffer]
    const [, port, healthPort] = /:(\d+), health on [^:]+:(\d+)/.exec(line.toString()) ?? []
    const client = new ServiceBusClient(
      `Endpoint=sb://127.0.0.1:${port};SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=loopback;UseDevelopmentEmulator=true`,
    )
    return { program, client, health: `http://127.0.0.1:${healthPort}/health` }
  }

  const first = await start()
  expect(await (await fetch(first.health)).json()).toMatchObject({ status: 'healthy' })
  await first.client.createSender('work').sendMessages({ body: 'a' })
  first.program.kill('SIGKILL')
  await once(first.program, 'exit')
  await first.client.close()
  const second = await start()
  const kept = await second.client.createReceiver('work').peekMessages(5)
  await second.client.close()
  second.program.kill('SIGTERM')
  const [code] = (await once(second.program, 'exit')) as [number | null]

  expect(kept).toMatchObject([{ body: 'a' }])
  expect(code).toBe(0)
})
