// @module-tag slow: takes long
import { CONTRACT_VERSION, type AgentHeartbeat } from '@cinelake/contracts'
import { randomUUID } from 'node:crypto'
import { afterAll, describe, expect, test } from 'vitest'
import { opsDatabases } from './databases.fixture.ts'
import { listAgents } from './agents.ts'
import { migrateOps } from './schema/migrations.ts'
import { createAgents } from './agents.ts'

const { databases, ...all } = await opsDatabases()
afterAll(() => all[Symbol.asyncDispose]())

const aHeartbeat = (fields: Partial<AgentHeartbeat> = {}): AgentHeartbeat => ({
  kind: 'agent.heartbeat',
  contract: CONTRACT_VERSION,
  id: randomUUID(),
  at: '2026-03-02T03:00:00.000Z',
  worker: 'host:1',
  site: 'hq',
  node: 'one',
  version: '0.1.0',
  freeDiskBytes: 5_000_000_000_000,
  runningTasks: 2,
  state: 'working',
  ...fields,
})

describe.each(databases)('agents in $name', ({ open }) => {
  test.skipIf(open === undefined)('of each node the latest heartbeat is kept, whatever the order', async () => {
    await using empty = await open?.()
    await using database = await empty?.open()
    if (database === undefined) throw new Error('no database')
    await migrateOps(database.db)
    const agents = createAgents(database)
    const heard = new Date('2026-03-02T03:00:05Z')

    await agents.note(aHeartbeat(), heard)
    await agents.note(aHeartbeat({ node: 'two', site: '', runningTasks: 0 }), heard)
    await agents.note(aHeartbeat({ at: '2026-03-02T03:02:00Z', version: '0.2.0' }), new Date('2026-03-02T03:01:00Z'))
    await agents.note(aHeartbeat({ at: '2026-03-02T03:01:00Z', version: '0.1.0' }), new Date('2026-03-02T03:01:30Z'))
    await Promise.all([
      agents.note(aHeartbeat({ node: 'three' }), heard),
      agents.note(aHeartbeat({ node: 'three' }), heard),
    ])

    expect(await listAgents(database)).toMatchObject([
      { site: '', node: 'two', runningTasks: 0, freeDiskBytes: 5_000_000_000_000, clockAheadMs: -5000 },
      { site: 'hq', node: 'one', version: '0.2.0', heardAt: '2026-03-02T03:01:00.000Z', clockAheadMs: 60_000 },
      { site: 'hq', node: 'three', state: 'working' },
    ])
  })
})
