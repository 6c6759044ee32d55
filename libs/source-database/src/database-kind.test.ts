import type { DatabaseSource } from './config/index.ts'
import { createFill } from '@cinelake/secrets'
import { createEnvSecrets } from '@cinelake/secrets/env'
import { describe, expect, test } from 'vitest'
import { checkDatabase } from './database-kind.ts'
import { startPostgres } from './postgres/server.fixture.ts'

async function checked(url: string, fields: object) {
  const source = { type: 'database', name: 'erp', site: 'hq', url, include: [], exclude: [], ...fields }
  const fill = createFill({ settings: {}, secrets: createEnvSecrets({}) })
  const found = await checkDatabase(source as unknown as DatabaseSource, { fill, signal: new AbortController().signal })
  return typeof found === 'string' ? { outcome: 'fine', detail: found } : found
}

describe('a database is looked at', () => {
  const table = (name: string) => ({ schema: 'public', name })

  test('every declared table and every column that is named has to be there', async () => {
    await using server = await startPostgres()
    await server.db.exec('CREATE TABLE orders (id int PRIMARY KEY, at timestamptz, note text)')
    const datasets = [
      { name: 'gone', table: table('order') },
      { name: 'timed', table: table('orders'), incremental: { column: 'changed' } },
      { name: 'worded', table: table('orders'), incremental: { column: 'at', orColumns: ['note'] } },
      { name: 'parted', table: table('orders'), split: { ranges: 2, column: 'no', minRows: 0, resume: true } },
    ]

    const finding = await checked(server.url, { datasets })

    expect(finding).toMatchObject({ outcome: 'problem', detail: expect.stringContaining('4 things to fix') })
    expect(finding.detail).toMatch(/table is not there \[.* table=public\.order\].*correct the dataset's `table`/)
    expect(finding.detail).toMatch(/incremental=changed\].*no such column/)
    expect(finding.detail).toMatch(/incremental=note\].*expected a date, a timestamp or a number, got text/)
    expect(finding.detail).toMatch(/split\.column=no\].*no such column/)
  })

  test('one that is missing is told as the task would tell it, also beside patterns', async () => {
    await using server = await startPostgres()
    await server.db.exec('CREATE TABLE orders (id int)')

    const finding = await checked(server.url, { include: ['public.*'], datasets: [{ name: 'g', table: table('g') }] })

    expect(finding).toMatchObject({ outcome: 'problem', detail: expect.stringMatching(/^table is not there \[/) })
  })

  test('what is there is counted once, whether declared or meant by a pattern', async () => {
    await using server = await startPostgres()
    await server.db.exec(
      'CREATE TABLE orders (id int, at date); CREATE TABLE lines (id int); CREATE VIEW busy AS SELECT 1 AS id',
    )
    const orders = { name: 'orders', table: table('orders'), incremental: { column: 'at' } }
    const datasets = [orders, { name: 'busy', table: table('busy') }]

    expect(await checked(server.url, { datasets })).toMatchObject({
      outcome: 'fine',
      detail: 'answers; 2 tables to copy are to be seen',
    })
    expect(await checked(server.url, { include: ['public.*'], datasets })).toMatchObject({
      outcome: 'fine',
      detail: 'answers; 3 tables to copy are to be seen',
    })
  })
})
