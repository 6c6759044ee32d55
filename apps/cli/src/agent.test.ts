// @module-tag slow: takes long
import { busEntities, emulatorConfig } from '@cinelake/bus'
import { temporaryDirectory } from '@cinelake/testkit'
import { startServiceBusBroker } from '@cinelake/testkit/service-bus'
import type { Dirent } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { aStarter, cinelake } from './testing.fixture.ts'

let stack: AsyncDisposableStack
let settings: Record<string, string>
let directory: string
let broker: Awaited<ReturnType<typeof startServiceBusBroker>>
beforeEach(async () => {
  stack = new AsyncDisposableStack()
  directory = stack.use(await temporaryDirectory()).path
  broker = stack.use(await startServiceBusBroker({ config: emulatorConfig(busEntities()) }))
  settings = {
    CINELAKE_BUS: 'sb://127.0.0.1',
    CINELAKE_BUS_CONNECTION_STRING: broker.connectionString,
    CINELAKE_LAKE: `file:${join(directory, 'lake')}`,
    CINELAKE_SCRATCH: join(directory, 'scratch'),
  }
})
afterEach(() => stack.disposeAsync())

describe('cinelake agent check', () => {
  test('says what is fine, and ends with 0', async () => {
    const { folder } = stack.use(await aStarter())

    const { exitCode, out } = await cinelake(['agent', 'check', '--pipeline', folder], settings)

    expect(out).toMatch(/✓ version: agent \d+\.\d+\.\d+, Node 24/)
    expect(out).toContain('✓ lake: file:')
    expect(out).toMatch(/✓ folder shop\/orders: .* may be read; 2 files like/)
    expect(out).toContain('This machine can be an agent.')
    expect(exitCode).toBe(0)
  })

  test('says what to fix, and ends with 1; for machines as JSON', async () => {
    const { folder } = stack.use(await aStarter())
    const file = join(folder, 'pipeline.yaml')
    await writeFile(file, (await readFile(file, 'utf8')).replace(/^( *path:).*$/m, '$1 /nowhere'))

    const { exitCode, out } = await cinelake(['agent', 'check', '--pipeline', folder, '--json'], settings)

    const said = JSON.parse(out) as { ok: boolean; findings: { check: string; outcome: string }[] }
    expect(said.ok).toBe(false)
    expect(said.findings.filter(({ outcome }) => outcome === 'problem')).toEqual([
      expect.objectContaining({ check: 'folder shop/orders', detail: expect.stringContaining('/nowhere') }),
    ])
    expect(exitCode).toBe(1)
  })

  test('without a bus and a lake says that this is no agent yet and what to set, and ends with 1', async () => {
    const { exitCode, out } = await cinelake(['agent', 'check'], { CINELAKE_SCRATCH: join(directory, 'scratch') })

    expect(out).toMatch(/^✗ bus: this machine is no agent yet: expected CINELAKE_BUS=.*docs\/on-prem-agent\.md/m)
    expect(out).toMatch(/^✗ lake: no lake is set: expected CINELAKE_LAKE=/m)
    expect(out).toMatch(/\n\nThis machine is no agent yet: 2 to fix\.\n$/)
    expect(exitCode).toBe(1)
  })

  test('does to the platform what its help says: one heartbeat, and nothing left in the lake', async () => {
    const events = 'events/Subscriptions/scheduler'
    const before = broker.messageCount(events)

    const { out: help } = await cinelake(['agent', 'check', '--help'])
    await cinelake(['agent', 'check'], settings)

    expect(help.replaceAll(/\s+/g, ' ')).toContain('sends the scheduler one heartbeat')
    expect(broker.messageCount(events)).toBe(before + 1)
    expect(await readdir(join(directory, 'lake'), { recursive: true, withFileTypes: true })).toSatisfy(
      (entries: Dirent[]) => entries.every((entry) => entry.isDirectory()),
    )
  })

  test('settings that cannot be used are told before anything is done', async () => {
    const { exitCode, notes } = await cinelake(['agent', 'check'], { ...settings, CINELAKE_AGENT_HOURS: 'nights' })

    expect(notes).toContain('CINELAKE_AGENT_HOURS')
    expect(exitCode).toBe(2)
  })
})

test('cinelake agents shows nothing where no agent was heard of', async () => {
  const { folder, state } = stack.use(await aStarter())
  await cinelake(['run', folder, '--state', state, '--window', '2026-03-01'])

  const plain = await cinelake(['agents', '--state', state])
  const json = await cinelake(['agent', 'list', '--state', state, '--json'])

  expect(plain.out).toBe('No agent has been heard of yet.\n')
  expect(JSON.parse(json.out)).toEqual({ agents: [] })
})
