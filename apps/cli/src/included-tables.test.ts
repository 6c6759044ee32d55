// @module-tag slow: copies tables of a PostgreSQL server, window by window
import { createExclusive, startPostgresServer } from '@cinelake/sample-company'
import { temporaryDirectory } from '@cinelake/testkit'
import { PGlite } from '@electric-sql/pglite'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createWorkersOnDemand } from './platform.ts'
import { cinelake } from './testing.fixture.ts'

let stack: AsyncDisposableStack
beforeEach(() => void (stack = new AsyncDisposableStack()))
afterEach(() => stack.disposeAsync())

/** A PostgreSQL server, and a pipeline with one source that reads it. */
async function given(include: readonly string[], tables: string) {
  const database = await PGlite.create()
  stack.defer(() => database.close())
  await database.exec(tables)
  const login = { user: 'postgres', password: 'p', databaseName: 'shop' }
  const server = stack.use(await startPostgresServer({ database, exclusive: createExclusive(), port: 0, ...login }))
  const directory = stack.use(await temporaryDirectory())
  const folder = join(directory.path, 'mine')
  await mkdir(join(folder, 'contracts'), { recursive: true })
  const write = async (patterns: readonly string[], datasets: Record<string, string> = {}) => {
    const declared = Object.entries(datasets).map(([name, table]) => `      ${name}: { table: ${table} }\n`)
    await writeFile(
      join(folder, 'pipeline.yaml'),
      `pipeline: mine
schedule: { every: day, start: 2026-03-01 }
retry: { attempts: 1 }
sources:
  erp:
    type: database
    url: postgres://postgres:\${secret:ERP_PASSWORD}@127.0.0.1:${server.port}/shop
    tables: { include: ${JSON.stringify(patterns)} }
${declared.length === 0 ? '' : `    datasets:\n${declared.join('')}`}`,
    )
    for (const name of Object.keys(datasets)) {
      await writeFile(
        join(folder, 'contracts', `${name}.yaml`),
        `apiVersion: v3.1.0\nkind: DataContract\nid: ${name}\nversion: '1'\nstatus: draft\nschema:\n  - { name: ${name}, properties: [{ name: id, logicalType: integer }] }\n`,
      )
    }
  }
  await write(include)
  const state = join(directory.path, 'state')
  const settings = { ERP_PASSWORD: 'p' }
  return {
    database,
    write,
    /** @returns what it printed where it failed */
    run: async (window: string) => {
      const { exitCode, screen } = await cinelake(['run', folder, '--window', window, '--state', state], settings)
      return exitCode === 0 ? 'done' : screen
    },
    /** The ids in a refined table, in order. */
    ids: async (table: string) => {
      const query = `SELECT id FROM "${table}" ORDER BY id`
      const { out, notes, exitCode } = await cinelake(['query', query, '--lake', '--csv', '--state', state])
      return exitCode === 0 ? out.trim().split('\n').slice(1).map(Number) : notes
    },
  }
}

describe('a source of which no dataset is declared', () => {
  test('is copied and refined, and the run ends', async () => {
    const it = await given(['public.t'], 'CREATE TABLE t (id int); INSERT INTO t VALUES (1), (2)')

    expect(await it.run('2026-03-01')).toBe('done')
    expect(await it.ids('erp_t')).toEqual([1, 2])
  })
})

describe('the refined table of an included table', () => {
  test.each([
    ['case twins', 'public', 'mixedCase', 'public', 'MixedCase', 'erp_mixedcase', 'erp_public_mixedcase'],
    ['a blank', 'public', 'order_item', 'public', 'Order Item', 'erp_order_item', 'erp_public_order_item'],
    ['two schemas', 'public', 't', 'dbo', 't', 'erp_t', 'erp_dbo_t'],
  ])(
    'keeps its name and its rows when another one comes that would have it: %s',
    async (_, schema, old, otherSchema, newcomer, name, otherName) => {
      const it = await given(
        ['*.*'],
        `CREATE SCHEMA dbo; CREATE TABLE ${schema}."${old}" (id int); INSERT INTO ${schema}."${old}" VALUES (1), (2)`,
      )
      expect(await it.run('2026-03-01')).toBe('done')

      await it.database.exec(
        `CREATE TABLE ${otherSchema}."${newcomer}" (id int); INSERT INTO ${otherSchema}."${newcomer}" VALUES (9)`,
      )
      expect(await it.run('2026-03-02')).toBe('done')

      expect(await it.ids(name)).toEqual([1, 2])
      expect(await it.ids(otherName)).toEqual([9])
    },
  )

  test('keeps its name where a table goes and comes back, and another one has come meanwhile', async () => {
    const it = await given(['public.*'], 'CREATE TABLE a (id int); CREATE TABLE t (id int); INSERT INTO t VALUES (1)')
    expect(await it.run('2026-03-01')).toBe('done')
    await it.database.exec('DROP TABLE t; CREATE TABLE "T" (id int); INSERT INTO "T" VALUES (9)')
    expect(await it.run('2026-03-02')).toBe('done')
    expect(await it.ids('erp_t')).toEqual([1])
    expect(await it.ids('erp_public_t')).toEqual([9])

    await it.database.exec('CREATE TABLE t (id int); INSERT INTO t VALUES (2)')
    expect(await it.run('2026-03-03')).toBe('done')
    expect(await it.ids('erp_t')).toEqual([2])
    expect(await it.ids('erp_public_t')).toEqual([9])
  })

  test('is not given to a dataset of another table, and stays that of a dataset of the same one', async () => {
    const it = await given(['public.t'], 'CREATE TABLE t (id int); INSERT INTO t VALUES (1); CREATE TABLE x (id int)')
    expect(await it.run('2026-03-01')).toBe('done')

    await it.write(['public.t'], { erp_t: 'public.x' })
    expect(await it.run('2026-03-02')).toContain('expected a name that no other table has')
    expect(await it.ids('erp_t')).toEqual([1])

    await it.write(['public.t'], { erp_t: 'public.t' })
    expect(await it.run('2026-03-02')).toBe('done')
    expect(await it.ids('erp_t')).toEqual([1])
  })
})

describe('a command', () => {
  const command = { task: 'refine t' } as Parameters<ReturnType<typeof createWorkersOnDemand>['send']>[1]

  test('starts the worker of its queue, once, also when it was sent before the work began', async () => {
    const log: string[] = []
    const workers = createWorkersOnDemand({ send: async (queue) => void log.push(`sent to ${queue}`) })
    const start = async (queue: string) => void log.push(`${queue} works`)

    await workers.send('loader', command)
    await workers.work(start)
    await workers.send('ingest-files.berlin', command)
    await workers.send('ingest-files.berlin', command)

    expect(log).toEqual([
      'sent to loader',
      'loader works',
      'ingest-files.berlin works',
      'sent to ingest-files.berlin',
      'sent to ingest-files.berlin',
    ])
  })

  test('for a queue that no service works on is refused at once', async () => {
    const workers = createWorkersOnDemand({ send: async () => {} })

    await expect(workers.send('polisher' as 'loader', command)).rejects.toMatchObject({
      code: 'COMMAND_UNTAKEN',
      retryable: false,
    })
  })
})
