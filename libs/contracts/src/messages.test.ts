import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { Command, CONTRACT_VERSION } from './commands.ts'
import { Event } from './events.ts'
import { manifestPath } from './layout.ts'

const digest = '0'.repeat(64)
const task = {
  contract: CONTRACT_VERSION,
  id: randomUUID(),
  run: 'shop@2026-03-01',
  task: 'a task',
  generation: 1,
  attempt: 1,
}
const command = {
  ...task,
  pipeline: { name: 'shop', digest },
  window: { start: '2026-03-01T00:00:00Z', end: '2026-03-02T00:00:00Z', label: '2026-03-01' },
}
const event = { ...task, at: '2026-03-02T03:00:00Z', worker: 'host:1' }
const balance = { unit: 'rows', in: 1, out: 1, rejected: 0, duplicates: 0 }
const error = { code: 'X', message: 'x', retryable: true, context: { line: 1 } }

type Contract = Pick<typeof Command | typeof Event, 'parse' | 'safeParse'>

const commands = [
  { ...command, kind: 'discover', source: 'billing' },
  { ...command, kind: 'ingest', source: 'crm', dataset: 'users', since: null },
  { ...command, kind: 'refine', dataset: 'users', manifest: 'raw/_landed/x.json' },
  { ...command, kind: 'build', model: 'best', inputs: [{ table: 'users', version: 0 }] },
  { ...command, kind: 'load', table: 'best', version: 7 },
  // With what the version before did not say.
  {
    ...command,
    kind: 'refine',
    dataset: 'users',
    manifest: 'm.json',
    expected: { version: 3, id: 'a' },
    restart: true,
  },
  {
    ...command,
    kind: 'build',
    model: 'best',
    inputs: [{ table: 'users', version: 0, id: 'a' }],
    expected: { version: 3 },
  },
  { ...command, kind: 'load', table: 'best', version: 7, tableId: 'a' },
]
const events = [
  { ...event, kind: 'task.started' },
  { ...event, kind: 'task.progressed', rowCount: 5 },
  {
    ...event,
    kind: 'task.succeeded',
    durationMs: 1.5,
    balance,
    rejects: {},
    quality: [],
    output: { kind: 'tables', tables: [] },
  },
  {
    ...event,
    kind: 'task.succeeded',
    durationMs: 1.5,
    balance,
    rejects: {},
    quality: [],
    output: { kind: 'table', table: 'users', version: 3, id: 'a', began: true, outcome: 'committed' },
  },
  { ...event, kind: 'task.failed', durationMs: 1, error, quality: [] },
  {
    contract: CONTRACT_VERSION,
    id: randomUUID(),
    kind: 'agent.heartbeat',
    at: '2026-03-02T03:00:00Z',
    worker: 'host:1',
    site: 'hq',
    node: 'one',
    version: '0.1.0',
    freeDiskBytes: 1,
    runningTasks: 0,
    state: 'working',
  },
]

const contracts: readonly (readonly [string, Contract, Record<string, unknown>[]])[] = [
  ['command', Command, commands],
  ['event', Event, events],
]

describe.each(contracts)('each %s', (_name, schema, messages) => {
  test.each(messages)('$kind is read as it was written', (message) => {
    expect(schema.parse(JSON.parse(JSON.stringify(message)))).toEqual(message)
  })

  test.each(messages)('$kind of a contract that is not known is refused', (message) => {
    expect(schema.safeParse({ ...message, contract: CONTRACT_VERSION + 1 }).success).toBe(false)
    expect(schema.safeParse({ ...message, contract: undefined }).success).toBe(false)
  })

  test.each(messages)('$kind without an id of its own is refused', (message) => {
    expect(schema.safeParse({ ...message, id: 'same for all' }).success).toBe(false)
  })
})

test('a fact that a newer worker says keeps no scheduler from the others', () => {
  const succeeded = events.find(({ kind }) => kind === 'task.succeeded')

  expect(Event.parse({ ...succeeded, factOfTomorrow: 1 })).toEqual(succeeded)
})

test('a command may name any version of a table, whatever the version of the contract', () => {
  expect(Command.parse({ ...command, kind: 'load', table: 'best', version: 0 })).toMatchObject({
    contract: CONTRACT_VERSION,
    version: 0,
  })
})

test('the manifest of a window that is run again lies beside the first', () => {
  expect(manifestPath('shop', '2026-03-01', 'ingest-crm.users', 1)).toBe(
    'raw/_landed/shop/2026-03-01/ingest-crm.users.json',
  )
  expect(manifestPath('shop', '2026-03-01', 'ingest-crm.users', 2)).toBe(
    'raw/_landed/shop/2026-03-01/ingest-crm.users.g2.json',
  )
})
