import { busEntities, emulatorConfig, type MessageBus } from '@cinelake/bus'
import { createServiceBus } from '@cinelake/bus/service-bus'
import { TerminalError } from '@cinelake/core'
import { aCommandHeader, until } from '@cinelake/testkit'
import { startServiceBusBroker } from '@cinelake/testkit/service-bus'
import { describe, expect, test } from 'vitest'
import { cinelake } from './testing.fixture.ts'

class Refused extends TerminalError {
  readonly code = 'TEST_REFUSED'
}

/** A broker whose loader has given up so many commands, and the command line at it. */
async function given(letterCount: number) {
  await using opening = new AsyncDisposableStack()
  const broker = opening.use(await startServiceBusBroker({ config: emulatorConfig(busEntities()) }))
  const bus = opening.use(createServiceBus({ entrance: { connectionString: broker.connectionString } }))
  const consumer = await bus.consume('loader', async ({ task }) => {
    throw new Refused(`cannot ${task}: expected a, got b; mend it`, {})
  })
  for (let sent = 0; sent < letterCount; sent++) await bus.send('loader', aLoad(`t${sent}`))
  await until('all are dead', async () => (await bus.deadLetters('loader')).length === letterCount)
  await consumer[Symbol.asyncDispose]()
  const settings = { CINELAKE_BUS: 'sb://loopback', CINELAKE_BUS_CONNECTION_STRING: broker.connectionString }
  const owned = opening.move()
  return {
    broker,
    bus,
    cinelake: (...args: string[]) => cinelake(args, settings),
    [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
  }
}

function aLoad(table: string): Parameters<MessageBus['send']>[1] {
  return { kind: 'load', ...aCommandHeader({ task: `load ${table}` }), table, version: 1 }
}

describe('dead-letters', () => {
  test('are listed with reason and what they are about, without their messages', async () => {
    await using it = await given(2)

    const { exitCode, out } = await it.cinelake('dead-letters', 'list', 'loader')

    expect(exitCode).toBe(0)
    expect(out).toMatch(/^id +reason +deliveries +since +about$/m)
    expect(out).toMatch(/^ 1 +TEST_REFUSED +1 +\S+ \S+Z +load shop@2026-03-01\/load t0$/m)
    const asJson = (await it.cinelake('dead-letters', 'list', 'loader', '--json')).out
    expect(JSON.parse(asJson)).toMatchObject({ entity: 'loader', deadLetters: [{ id: '1' }, { id: '2' }] })
    expect(asJson).not.toContain('pipeline')
    expect((await it.cinelake('dead-letters', 'list', 'transformer')).out).toBe(
      'There are no dead letters in transformer.\n',
    )
  })

  test('one is shown with why it was given up, and its message', async () => {
    await using it = await given(2)

    const { exitCode, out } = await it.cinelake('dead-letters', 'show', 'loader', '2')

    expect(exitCode).toBe(0)
    expect(out).toMatch(/^description +cannot load t1: expected a, got b; mend it$/m)
    expect(out).toContain('The message, as it was received:\n{\n  "kind": "load"')
  })

  test('one is sent again, one is discarded, then the rest at once', async () => {
    await using it = await given(5)

    expect(await it.cinelake('dead-letters', 'resend', 'loader', '3')).toMatchObject({
      exitCode: 0,
      out: '1 message of loader sent again.\n',
    })
    expect(it.broker.messageCount('loader')).toBe(1)
    expect(await it.cinelake('dead-letters', 'discard', 'loader', '1')).toMatchObject({ exitCode: 0 })
    expect((await it.bus.deadLetters('loader')).map(({ id }) => id)).toEqual(['2', '4', '5'])

    const { out } = await it.cinelake('dead-letters', 'resend', 'loader', '--all', '--json')
    expect(JSON.parse(out)).toEqual({ entity: 'loader', resent: 3 })
    expect(it.broker.messageCount('loader')).toBe(4)
  })

  test.each([
    [['resend', 'loader', '77'], /there is no such dead letter .*id=77.*dead-letters list loader/],
    [['discard', 'loader'], /either an id or --all/],
    [['discard', 'loader', '1', '--all'], /either an id or --all/],
  ])('%s is bad usage, and changes nothing', async (args, words) => {
    await using it = await given(1)

    const { exitCode, notes } = await it.cinelake('dead-letters', ...args)

    expect(exitCode).toBe(2)
    expect(notes).toMatch(words)
    expect(await it.bus.deadLetters('loader')).toHaveLength(1)
  })

  test('of a queue that is not there says how to make it', async () => {
    await using it = await given(0)

    const { exitCode, notes } = await it.cinelake('dead-letters', 'list', 'ingest-files.nowhere')

    expect(exitCode).toBe(1)
    expect(notes).toContain('cinelake bus create')
  })

  test('of a bus in memory cannot be looked into', async () => {
    const { exitCode, notes } = await cinelake(['dead-letters', 'list', 'loader'])

    expect(exitCode).toBe(2)
    expect(notes).toContain('a message bus in memory cannot be looked into')
  })

  test('have help with examples at every level', async () => {
    for (const args of [[], ['list'], ['show'], ['resend'], ['discard']]) {
      const { exitCode, out } = await cinelake(['dead-letters', ...args, '--help'])
      expect({ args, exitCode }).toEqual({ args, exitCode: 0 })
      expect(out).toMatch(args.length === 0 ? /Commands:/ : /Examples:/)
    }
    expect((await cinelake(['dead-letters', 'bury'])).exitCode).toBe(2)
  })
})

describe('bus', () => {
  test('prints its entities as a table, for the emulator and for a deployment', async () => {
    const args = ['bus', 'entities', '--site', 'lyon', '--site', 'paris', '--subscription', 'console']
    const entities = busEntities({ sites: ['lyon', 'paris'], subscriptions: ['console'] })

    expect((await cinelake(args)).out).toMatch(/^ingest-files\.lyon +queue +60 s +10 +14 days, then dead letters$/m)
    expect(JSON.parse((await cinelake([...args, '--format', 'emulator'])).out)).toEqual(emulatorConfig(entities))
    expect(JSON.parse((await cinelake([...args, '--format', 'arm'])).out)).toMatchObject({
      parameters: { namespace: { type: 'string' } },
    })
    expect(JSON.parse((await cinelake([...args, '--json'])).out)).toEqual(entities)
    expect((await cinelake([...args, '--format', 'xml'])).exitCode).toBe(2)
    expect((await cinelake(['bus', 'entities', '--site', 'a/b'])).exitCode).toBe(2)
  })

  test('makes nothing in memory or in an emulator, and says why', async () => {
    const inMemory = await cinelake(['bus', 'create'])
    const emulator = await cinelake(['bus', 'create'], {
      CINELAKE_BUS: 'sb://emulator',
      CINELAKE_BUS_CONNECTION_STRING: 'Endpoint=sb://127.0.0.1;SharedAccessKey=x;UseDevelopmentEmulator=true',
    })

    expect(inMemory).toMatchObject({ exitCode: 2, notes: expect.stringContaining('sb://NAMESPACE') as string })
    expect(emulator).toMatchObject({ exitCode: 2, notes: expect.stringContaining('Config.json') as string })
  })
})
