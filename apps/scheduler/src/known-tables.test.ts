import type { TaskOutput } from '@cinelake/contracts'
import { createRunStore } from '@cinelake/run-store/write'
import { sql } from 'kysely'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { aPipeline, DAY, emptied, given, NEXT_DAY, openDatabase, runDay } from '../test/given.ts'

const database = await openDatabase()
afterAll(() => database[Symbol.asyncDispose]())
beforeEach(() => emptied(database))

type TableOutput = Extract<TaskOutput, { kind: 'table' }>
const made = (version: number, more: Partial<TableOutput> = {}): TableOutput => ({
  kind: 'table',
  table: 'orders',
  version,
  outcome: 'committed',
  ...more,
})

test('every command that writes a table says what is known of it, over all runs of the pipeline', async () => {
  let version = 3
  await using it = await given(database, {
    behave: ({ kind, task }) =>
      kind === 'refine' && task === 'refine orders'
        ? { output: made(version++, { id: 'orders-1' }) }
        : kind === 'build' && task === 'build order_totals'
          ? { output: made(7, { table: 'order_totals' }) }
          : {},
  })
  await runDay(it.scheduler)
  await runDay(it.scheduler, aPipeline(), NEXT_DAY)

  const of = (task: string) => it.done.filter((command) => command.task === task)
  expect(of('refine orders').map((command) => 'expected' in command && command.expected)).toEqual([
    false,
    { version: 3, id: 'orders-1' },
  ])
  expect(of('build order_totals').map((command) => 'expected' in command && command.expected)).toEqual([
    false,
    { version: 7 },
  ])
  expect(of('build order_totals')[0]).toMatchObject({ inputs: [{ table: 'orders', version: 3, id: 'orders-1' }] })
})

test('what is known of the rejected rows of a table goes with its commands', async () => {
  await using it = await given(database, {
    behave: ({ task }) =>
      task === 'refine orders' ? { output: made(3, { id: 'o', rejects: { version: 1, id: 'rejects-1' } }) } : {},
  })
  await runDay(it.scheduler)
  await runDay(it.scheduler, aPipeline(), NEXT_DAY)

  const expected = it.done.flatMap((command) =>
    'dataset' in command && command.task === 'refine orders' && 'expected' in command ? [command] : [],
  )
  expect(expected).toMatchObject([
    { expected: { version: 3, id: 'o' }, expectedRejects: { version: 1, id: 'rejects-1' } },
  ])
})

test('a load pins the identity of what it copies', async () => {
  await using it = await given(database, {
    behave: ({ task }) =>
      task === 'build customer_totals' ? { output: made(5, { table: 'customer_totals', id: 'totals-1' }) } : {},
  })
  await runDay(it.scheduler)

  expect(it.done.find(({ kind }) => kind === 'load')).toMatchObject({ version: 5, tableId: 'totals-1' })
})

test('a history of before is protected as well: of each table the version that was made last is known', async () => {
  {
    await using it = await given(database, {
      behave: ({ task, run }) => (task === 'refine orders' ? { output: made(run.endsWith(DAY.label) ? 8 : 2) } : {}),
    })
    await runDay(it.scheduler)
    await runDay(it.scheduler, aPipeline(), NEXT_DAY)
  }
  await sql`DROP TABLE ops.known_tables`.execute(database.db)
  await sql`ALTER TABLE ops.tasks DROP COLUMN digest, DROP COLUMN restart, DROP COLUMN facts`.execute(database.db)
  await sql`ALTER TABLE ops.attempts DROP COLUMN facts`.execute(database.db)
  await sql`ALTER TABLE ops.runs DROP COLUMN redo`.execute(database.db)
  await sql`DELETE FROM ops.kysely_migration WHERE name >= '0006'`.execute(database.db)

  await using _migrated = await given(database)

  expect(await createRunStore(database).known('shop', ['orders', 'customers', 'unknown'])).toEqual(
    new Map([
      ['orders', { version: 2 }],
      ['customers', { version: 3 }],
    ]),
  )
})
