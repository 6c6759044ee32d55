import type { CheckedModel } from '@cinelake/pipeline'
import { describe, expect, test } from 'vitest'
import { aModel } from './a-model.fixture.ts'
import { given, orders, type OpenRunner } from './build.fixture.ts'
import { openModelRunner } from './open-runner.ts'
import { createOtherRunner } from './other-runner.fixture.ts'

const positive = [{ name: 'negative', severity: 'error' as const, expression: 'amount >= 0' }]
const RUNNERS: readonly (readonly [string, { readonly openRunner?: OpenRunner }])[] = [
  ['the engine', {}],
  ['another machine', { openRunner: createOtherRunner }],
]

describe.each(RUNNERS)('models run by %s', (_name, options) => {
  test.each<readonly [string, Partial<CheckedModel>, readonly string[]]>([
    ['table', { materialization: 'table' }, ['2 25', '3 30']],
    ['merge', { materialization: 'merge' }, ['1 10', '2 25', '3 30']],
    ['partitions', { materialization: 'partitions', partitionBy: ['id'], key: [] }, ['1 10', '2 25', '3 30']],
    ['history', { materialization: 'history' }, ['1 10', '2 20', '2 25', '3 30']],
  ])('become the table (%s), once, and leave nothing beside it', async (_kind, fields, expected) => {
    await using place = await given(aModel(fields), options)
    await place.run({ day: 1, orders: orders([1, 10], [2, 20]) })

    const outcome = await place.run({ day: 2, orders: orders([2, 25], [3, 30]) })
    expect(outcome).toMatchObject({
      balance: { in: 2, out: 2, rejected: 0 },
      output: { outcome: 'committed', table: 'sales' },
    })
    const again = await place.redeliver()

    expect(again).toMatchObject({ balance: outcome.balance, output: { outcome: 'already-committed' } })
    expect(await place.sales()).toEqual(expected)
    expect(await place.strayFiles()).toEqual([])
  })

  test('have their rejected rows kept apart, and those of an emptied partition taken out', async () => {
    const model = aModel({ materialization: 'partitions', partitionBy: ['id'], key: [], rowRules: positive })
    await using place = await given(model, options)
    await place.run({ day: 1, orders: orders([1, 10], [2, 20]) })

    const outcome = await place.run({ day: 2, orders: orders([2, -1], [3, 30]) })

    expect(outcome).toMatchObject({ balance: { in: 2, out: 1, rejected: 1 }, rejects: { negative: 1 } })
    expect(await place.sales()).toEqual(['1 10', '3 30'])
    expect(await place.rejects()).toMatchObject([
      { rule: 'negative', rules: ['negative'], file: 'sales', kept: false, raw: '{"id":2,"amount":-1}' },
    ])
    expect(await place.strayFiles()).toEqual([])
  })

  test('leave alone a table that has these rows already', async () => {
    await using place = await given(aModel(), options)
    await place.run({ day: 1, orders: orders([1, 10], [2, 20]) })
    const files = await place.files()

    const outcome = await place.run({ day: 2, orders: orders([2, 20], [1, 10]) })

    expect(outcome).toMatchObject({ output: { outcome: 'unchanged' } })
    expect(await place.files()).toEqual(files)
    expect(await place.strayFiles()).toEqual([])
  })

  test('are run again by one that follows a worker that died before its first commit', async () => {
    await using place = await given(aModel(), options)
    const command = await place.command({ day: 1, orders: orders([1, 10]) })
    place.failNextCommitOf('refined/shop/sales/_delta_log/0000')
    await expect(place.build(command)).rejects.toThrow('killed')

    expect(await place.build(command)).toMatchObject({ output: { outcome: 'committed' } })
    expect(await place.sales()).toEqual(['1 10'])
  })
})

test('a runner that is not there is told by the setting', async () => {
  await using place = await given(aModel())

  await expect(openModelRunner('spark://cluster:15002', place)).rejects.toMatchObject({
    message: expect.stringMatching(/CINELAKE_ENGINE[\s\S]*`duckdb:`[\s\S]*`spark:`/),
    retryable: false,
  })
})
