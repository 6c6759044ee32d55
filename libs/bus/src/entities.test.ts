import fc from 'fast-check'
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { givenAdministration } from './service-bus/administration.fixture.ts'
import { armTemplate, busEntities, emulatorConfig, isEntityName, iso8601 } from './entities.ts'
import { createEntities } from './service-bus/entities.ts'

describe('the definition of the entities', () => {
  test('has a queue for each service and each site, one topic, and the scheduler that hears it', () => {
    expect(busEntities({ sites: ['lyon'], subscriptions: ['console', 'scheduler'] })).toEqual({
      queues: ['ingest-api', 'ingest-files', 'transformer', 'loader', 'ingest-files.lyon'],
      topic: 'events',
      subscriptions: ['scheduler', 'console'],
      properties: {
        lockMs: 60_000,
        maxDeliveryCount: 10,
        timeToLiveMs: 1_209_600_000,
        deadLetteringOnExpiration: true,
      },
    })
  })

  test("keeps to the emulator's limits in the emulator's form", () => {
    const entities = busEntities({ sites: ['lyon'] })
    const [namespace] = emulatorConfig({
      ...entities,
      properties: { ...entities.properties, lockMs: 600_000, maxDeliveryCount: 20 },
    }).UserConfig.Namespaces

    expect(namespace).toMatchObject({
      Name: 'sbemulatorns',
      Topics: [{ Name: 'events', Subscriptions: [{ Name: 'scheduler' }] }],
    })
    expect(namespace.Queues.map(({ Name }) => Name)).toContain('ingest-files.lyon')
    for (const { Properties } of [...namespace.Queues, ...(namespace.Topics[0]?.Subscriptions ?? [])]) {
      expect(Properties).toEqual({
        LockDuration: 'PT5M',
        MaxDeliveryCount: 10,
        DefaultMessageTimeToLive: 'PT60M',
        DeadLetteringOnMessageExpiration: true,
      })
    }
  })

  test('is a resource for each entity in the form of the deployment, a subscription after its topic', () => {
    const { resources } = armTemplate(busEntities())

    expect(resources.map(({ type, name }) => `${type.split('/').at(-1)} ${name}`)).toEqual([
      "queues [concat(parameters('namespace'), '/ingest-api')]",
      "queues [concat(parameters('namespace'), '/ingest-files')]",
      "queues [concat(parameters('namespace'), '/transformer')]",
      "queues [concat(parameters('namespace'), '/loader')]",
      "topics [concat(parameters('namespace'), '/events')]",
      "subscriptions [concat(parameters('namespace'), '/events/scheduler')]",
    ])
    expect(resources[0]?.properties).toEqual({
      lockDuration: 'PT1M',
      maxDeliveryCount: 10,
      defaultMessageTimeToLive: 'P14D',
      deadLetteringOnMessageExpiration: true,
    })
    expect(resources.at(-1)).toMatchObject({ dependsOn: [expect.stringContaining("'events')]") as string] })
  })

  test('takes no site that a broker would not take', () => {
    expect(['lyon', 'LYON-2', 'a.b_c'].map(isEntityName)).toEqual([true, true, true])
    expect(['', '-lyon', 'lyon/2', 'é', 'x'.repeat(51), "a'b"].map(isEntityName)).toEqual(Array(6).fill(false))
  })

  test('writes durations that mean what they are', () => {
    const meaning = (text: string) => {
      const [, days = 0, minutes = 0, seconds = 0] =
        /^P(?:(\d+)D)?(?:T(?:(\d+)M)?(?:([\d.]+)S)?)?$/.exec(text)?.map((part) => Number(part ?? 0)) ?? []
      return Math.round(((days * 1440 + minutes) * 60 + seconds) * 1000)
    }
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 400 * 86_400_000 }), (milliseconds) => {
        expect(meaning(iso8601(milliseconds))).toBe(milliseconds)
      }),
    )
  })
})

describe('making the entities in a namespace', () => {
  test('makes what is missing, and changes nothing the second time', async () => {
    await using given = await givenAdministration()
    const entities = busEntities({ sites: ['lyon'] })

    const first = await createEntities(given, entities, given.options)
    const second = await createEntities(given, entities, given.options)

    const names = [
      'ingest-api',
      'ingest-files',
      'transformer',
      'loader',
      'ingest-files.lyon',
      'events',
      'events/scheduler',
    ]
    expect(first).toEqual(names.map((entity) => ({ entity, outcome: 'created' })))
    expect(second).toEqual(names.map((entity) => ({ entity, outcome: 'unchanged' })))
    expect(given.changes).toHaveLength(7)
  })

  test('corrects what differs', async () => {
    await using given = await givenAdministration()
    const entities = busEntities()
    await createEntities(given, { ...entities, properties: { ...entities.properties, lockMs: 30_000 } }, given.options)

    const outcomes = await createEntities(given, entities, given.options)

    expect(outcomes.filter(({ outcome }) => outcome === 'updated').map(({ entity }) => entity)).toEqual([
      'ingest-api',
      'ingest-files',
      'transformer',
      'loader',
      'events/scheduler',
    ])
    expect(await createEntities(given, entities, given.options)).not.toContainEqual(
      expect.objectContaining({ outcome: 'updated' }),
    )
  })

  test('says which role is missing, and not with what it was asked', async () => {
    await using given = await givenAdministration()
    given.refuse()

    const refused: unknown = await createEntities(given, busEntities(), given.options).catch((error: unknown) => error)

    expect(refused).toMatchObject({ code: 'BUS_FORBIDDEN', context: { role: 'Azure Service Bus Data Owner' } })
    expect(inspect(refused, { depth: Infinity })).not.toMatch(/sig=|c2VjcmV0/)
  })
})
