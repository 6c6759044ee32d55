import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { orderByNeeds } from './check/check-models.ts'
import type { CheckedPipeline } from './checked-pipeline.ts'
import { expandDiscovered, planRun, refinedNames } from './plan.ts'

const dataset = (name: string, source: string) => ({
  name,
  source,
  sourceDataset: name,
  contract: {
    id: name,
    version: '1',
    columns: [{ name: 'a', type: 'BIGINT', required: false, reading: { from: ['a'] } }],
    primaryKey: [],
    rowRules: [],
    tableRules: [],
  },
  reading: { header: true, nulls: [] },
  mode: 'snapshot' as const,
  newestBy: [],
  duplicates: 'newest' as const,
  partitionBy: [],
})
const model = (name: string, inputs: string[]) => ({
  name,
  sql: 'SELECT 1',
  inputs,
  usesWindow: false,
  materialization: 'table' as const,
  key: [],
  partitionBy: [],
  columns: [],
  rowRules: [],
  tableRules: [],
})
const database = {
  type: 'database' as const,
  name: 'billing',
  url: 'postgres://x',
  include: ['public.*', 'audit.*'],
  exclude: ['*.tmp_*'],
  datasets: [{ name: 'payments', table: { schema: 'public', name: 'payments' }, incremental: { column: 'paid_at' } }],
}

function aPipeline(change: Partial<CheckedPipeline> = {}): CheckedPipeline {
  return {
    format: 1,
    name: 'shop',
    schedule: { every: 'day', timeZone: 'UTC', start: '2026-03-01', delayMs: 0 },
    retry: { maxAttempts: 1, backoffMs: 0, maxBackoffMs: 0 },
    sources: [
      {
        type: 'files',
        name: 'drop',
        path: 'data',
        datasets: [{ name: 'orders', files: '*.csv', whenMissing: 'fail' }],
      },
      {
        type: 'rest',
        name: 'crm',
        baseUrl: 'http://x',
        headers: {},
        auth: { type: 'none' },
        maxRetries: 0,
        timeoutMs: 1,
        datasets: [
          {
            name: 'users',
            path: '/',
            method: 'GET',
            query: {},
            bodyFormat: 'json',
            format: 'auto',
            records: '$',
            pagination: { type: 'none' },
          },
        ],
      },
      database,
    ],
    datasets: [dataset('orders', 'drop'), dataset('users', 'crm'), dataset('payments', 'billing')],
    models: [model('sales', ['orders', 'users']), model('best', ['sales'])],
    serve: [{ table: 'best', as: 'best_sales', columns: [], primaryKey: [] }],
    ...change,
  }
}

describe('the plan of a run', () => {
  test('each task comes after what it needs, on the queue of the service that does it', () => {
    expect(planRun(aPipeline()).map(({ name, queue, needs }) => [name, queue, needs])).toEqual([
      ['discover billing', 'ingest-files', []],
      ['ingest drop/orders', 'ingest-files', []],
      ['ingest crm/users', 'ingest-api', []],
      ['ingest billing/payments', 'ingest-files', ['discover billing']],
      ['refine orders', 'transformer', ['ingest drop/orders']],
      ['refine users', 'transformer', ['ingest crm/users']],
      ['refine payments', 'transformer', ['ingest billing/payments']],
      ['build sales', 'transformer', ['refine orders', 'refine users']],
      ['build best', 'transformer', ['build sales']],
      ['load best', 'loader', ['build best']],
    ])
  })

  test('a source with a site has the queue of that site', () => {
    const tasks = planRun(
      aPipeline({
        sources: [{ ...database, site: 'berlin' }],
        datasets: [dataset('payments', 'billing')],
        models: [],
        serve: [],
      }),
    )

    expect(tasks.map(({ queue }) => queue)).toEqual(['ingest-files.berlin', 'ingest-files.berlin', 'transformer'])
  })

  test('an incremental dataset of a REST source says so', () => {
    const plan = planRun(aPipeline())
    const rest = aPipeline().sources.map((source) =>
      source.type === 'rest'
        ? { ...source, datasets: source.datasets.map((one) => ({ ...one, incremental: { overlapMs: 0 } })) }
        : source,
    )
    const incremental = planRun(aPipeline({ sources: rest }))

    expect(plan.find(({ name }) => name === 'ingest crm/users')?.work).toMatchObject({ incremental: false })
    expect(incremental.find(({ name }) => name === 'ingest crm/users')?.work).toMatchObject({ incremental: true })
  })

  test('an incremental table says so, and which table it is', () => {
    expect(planRun(aPipeline())[3]?.work).toEqual({
      kind: 'ingest',
      source: 'billing',
      dataset: 'payments',
      table: { schema: 'public', name: 'payments' },
      incremental: true,
    })
  })
})

describe('the tables that a database turns out to have', () => {
  test('each wanted one that nobody declared is ingested and refined, in order of names', () => {
    const tables = [
      { schema: 'public', name: 'plans' },
      { schema: 'public', name: 'payments' },
      { schema: 'audit', name: 'Log Entries' },
      { schema: 'public', name: 'tmp_1' },
      { schema: 'secret', name: 'keys' },
    ]

    const tasks = expandDiscovered(aPipeline(), 'billing', tables)

    expect(tasks.map(({ name, needs, work }) => [name, needs, work.kind === 'refine' ? work.dataset : ''])).toEqual([
      ['ingest billing/audit.Log Entries', ['discover billing'], ''],
      ['refine billing_audit_log_entries', ['ingest billing/audit.Log Entries'], 'billing_audit_log_entries'],
      ['ingest billing/public.plans', ['discover billing'], ''],
      ['refine billing_plans', ['ingest billing/public.plans'], 'billing_plans'],
    ])
    expect(expandDiscovered(aPipeline(), 'billing', tables.toReversed())).toEqual(tasks)
  })

  test('no two tables share a refined name, and none takes one that is taken', () => {
    const tables = fc.array(
      fc.record({
        schema: fc.constantFrom('public', 'dbo', 'a', 'A', 'a_b'),
        name: fc.constantFrom('b', 'B', 'b c', 'b_c', 'c', 'Ü'),
      }),
    )
    fc.assert(
      fc.property(tables, (found) => {
        const distinct = [...new Map(found.map((table) => [`${table.schema}.${table.name}`, table])).values()]
        const names = refinedNames('s', distinct, new Set(['s_b', 's_public_b']))
        expect(new Set([...names, 's_b', 's_public_b']).size).toBe(names.length + 2)
      }),
    )
  })
})

describe('the order of models', () => {
  test('each comes after what it needs, whatever the graph', () => {
    const edges = fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 9 })))
    fc.assert(
      fc.property(edges, (pairs) => {
        const needs = new Map(Array.from({ length: 10 }, (_, index) => [String(index), [] as string[]]))
        // From greater to smaller alone: no circles.
        for (const [one, other] of pairs)
          if (one !== other) needs.get(String(Math.max(one, other)))?.push(String(Math.min(one, other)))
        const { order, circles } = orderByNeeds(needs)
        const sorted = [...needs].every(([name, needed]) =>
          needed.every((need) => order.indexOf(need) < order.indexOf(name)),
        )
        expect({ circles, sorted, count: order.length }).toEqual({ circles: [], sorted: true, count: 10 })
      }),
    )
  })

  test('a circle is found once, and the others have an order all the same', () => {
    const needs = new Map([
      ['a', ['b']],
      ['b', ['c']],
      ['c', ['b']],
      ['d', []],
    ])

    expect(orderByNeeds(needs)).toEqual({ order: ['c', 'b', 'a', 'd'], circles: [['b', 'c']] })
  })
})
