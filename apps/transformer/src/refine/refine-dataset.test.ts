// @module-tag slow: takes long
import { cp, glob, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { TaskOutcome } from '@cinelake/bus'
import type { KnownVersion } from '@cinelake/contracts'
import { CancelledError } from '@cinelake/core'
import { createDeltaTable } from '@cinelake/delta'
import type { Lake } from '@cinelake/lake'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { aColumn, aDataset, aRefinery, type Refinery } from './refinery.fixture.ts'

const id = aColumn('id', { type: 'BIGINT', required: true })
const score = aColumn('score', { type: 'DECIMAL(3,1)' })
const updated = aColumn('updated', { type: 'DATE' })
const scores = aDataset({ columns: [id, score], contract: { primaryKey: ['id'] } })

/** Rows without the window that they came in. */
const valuesOf = async (refinery: Refinery, table = 'orders') =>
  (await refinery.rowsOf(table)).map(({ _window, ...row }) => row)

/** What the run history knows after an output. */
function knownAfter(output: TaskOutcome['output']): KnownVersion {
  if (output.kind !== 'table') throw new Error(`expected a table, got ${output.kind}`)
  return { version: output.version, id: output.id }
}

/** What it knows of the rejected rows. */
function rejectsAfter(output: TaskOutcome['output']) {
  return output.kind === 'table' ? output.rejects : undefined
}

describe('a landing', () => {
  test('becomes typed rows that say in which window they landed', async () => {
    await using refinery = await aRefinery()
    const outcome = await refinery.refineFiles(scores, { files: { 'a.csv': 'id,score\n1,8.7\n2,\n' }, day: 2 })
    expect(await refinery.rowsOf('orders')).toEqual([
      { id: 1, score: '8.7', _window: '2026-03-02T00:00:00.000000Z' },
      { id: 2, score: null, _window: '2026-03-02T00:00:00.000000Z' },
    ])
    expect(outcome).toMatchObject({
      balance: { unit: 'rows', in: 2, out: 2, rejected: 0, duplicates: 0 },
      output: { kind: 'table', table: 'orders', version: 0, outcome: 'committed' },
    })
    expect(await refinery.rowsOf('_rejects/orders')).toEqual([])
  })

  test('keeps each row that breaks a rule, with the rules, the line and its text', async () => {
    await using refinery = await aRefinery()
    const dataset = aDataset({
      columns: [id, aColumn('name', { maxLength: 5 }), score],
      contract: {
        primaryKey: ['id'],
        rowRules: [{ name: 'score_range', severity: 'error', expression: 'score <= 10' }],
      },
    })
    const outcome = await refinery.refineFiles(dataset, {
      files: { 'in/b.csv': 'id,name,score\n1,Amélie,x\n,ok,1\n3,"a\nb",11\n4,ok,1,\n5,"ok,1\n6,ok,6\n' },
    })
    expect(outcome.balance).toEqual({ unit: 'rows', in: 6, out: 1, rejected: 5, duplicates: 0 })
    expect(outcome.rejects).toEqual({ 'maxLength(name)': 1, 'required(id)': 1, row_shape: 2, score_range: 1 })
    const start = '2026-03-01T00:00:00.000000Z'
    const shared = {
      window_label: '2026-03-01',
      window_start: start,
      run: 'shop@2026-03-01',
      task: 'refine orders',
      file: 'in/b.csv',
      kept: false,
    }
    expect(await refinery.rowsOf('_rejects/orders', 'line')).toEqual([
      {
        ...shared,
        rule: 'maxLength(name)',
        rules: ['maxLength(name)', 'type(score)'],
        line: 2,
        found: ['name has 6 characters', 'score=x'],
        raw: '1,Amélie,x',
      },
      { ...shared, rule: 'required(id)', rules: ['required(id)'], line: 3, found: ['id has no value'], raw: ',ok,1' },
      { ...shared, rule: 'score_range', rules: ['score_range'], line: 4, found: ['score=11.0'], raw: '3,"a\nb",11' },
      { ...shared, rule: 'row_shape', rules: ['row_shape'], line: 6, found: ['4 of 3 fields'], raw: '4,ok,1,' },
      {
        ...shared,
        rule: 'row_shape',
        rules: ['row_shape'],
        line: 7,
        found: ['a quote that does not close'],
        raw: '5,"ok,1',
      },
    ])
  })

  test('keeps what a row has that breaks a rule, but not of personal columns', async () => {
    await using refinery = await aRefinery()
    const personal = { allowedIn: [] }
    const columns = [
      id,
      aColumn('born', { type: 'DATE', personal }),
      aColumn('email', { personal, maxLength: 9 }),
      score,
    ]
    const expression = `score BETWEEN 0 AND 10 OR email = 'score'`
    const dataset = aDataset({ columns, contract: { rowRules: [{ name: 'range', severity: 'error', expression }] } })

    const long = '9'.repeat(200)
    const files = { 'a.csv': `id,born,email,score\n1,soon,a@b.c,1\n2,,a@b.c,11\n3,,anna@b.org,1\n${long},,a@b.c,1\n` }
    await refinery.refineFiles(dataset, { files })

    expect(
      (await refinery.rowsOf('_rejects/orders', 'line', 'rules, found')).map(({ rules, found }) => [rules, found]),
    ).toEqual([
      [['type(born)'], ['born: personal data, not shown']],
      [['range'], ['email: personal data, not shown, score=11.0']],
      [['maxLength(email)'], ['email: personal data, not shown']],
      [['type(id)'], [`id=${long.slice(0, 80)}`]],
    ])
  })

  test('adds what rows have to rejects of before', async () => {
    await using refinery = await aRefinery()
    await using session = await refinery.engine.session()
    const path = 'refined/shop/_rejects/orders'
    await createDeltaTable({ lake: refinery.lake, path, clock: refinery.clock }).append(
      session,
      `SELECT '2026-02-28' AS window_label, TIMESTAMPTZ '2026-02-28' AS window_start, 'shop@2026-02-28' AS run, 'refine orders' AS task, 'r' AS rule, ['r'] AS rules, 'a.csv' AS file, 1::BIGINT AS line, 'x' AS raw`,
      { txn: { appId: 'shop@2026-02-28/refine orders', version: 1 }, partitionBy: ['window_label'] },
    )

    await refinery.refineFiles(scores, { files: { 'a.csv': 'id,score\nx,1\n' } })

    expect(await refinery.rowsOf('_rejects/orders', 'window_label', 'rule, found')).toEqual([
      { rule: 'r', found: null },
      { rule: 'type(id)', found: ['id=x'] },
    ])
  })

  test('says what its files have besides the contract and what they lack of it', async () => {
    await using refinery = await aRefinery()
    const outcome = await refinery.refineFiles(scores, {
      files: { 'a.csv': 'id,extra\n1,x\n', 'b.csv': 'id,score\n2,1\n' },
    })
    expect(outcome.quality).toEqual([
      {
        rule: 'unknown_columns',
        severity: 'warn',
        checked: 2,
        failed: 1,
        detail: 'a.csv has in addition to the contract: extra',
      },
      { rule: 'missing_columns', severity: 'warn', checked: 2, failed: 1, detail: 'a.csv lacks: score' },
    ])
    expect(await valuesOf(refinery)).toEqual([
      { id: 1, score: null },
      { id: 2, score: '1.0' },
    ])
  })

  test('of no files makes an empty table once, that models can read', async () => {
    await using refinery = await aRefinery()
    const first = await refinery.refineFiles(scores, { files: {} })
    const second = await refinery.refineFiles(scores, { files: {}, day: 2 })
    expect(first.output).toMatchObject({ version: 0, outcome: 'committed' })
    expect(second.output).toMatchObject({ version: 0, outcome: 'unchanged' })
    expect(await refinery.rowsOf('orders')).toEqual([])
  })

  test('that its source says is empty empties the table, with or without a file; one that says nothing does not', async () => {
    await using refinery = await aRefinery()
    const full = { files: { 'a.csv': 'id,score\n1,8\n' } }
    const landed = async (landing: Parameters<typeof refinery.refineFiles>[1]) => {
      await refinery.refineFiles(scores, landing)
      return (await refinery.rowsOf('orders')).length
    }
    expect(await landed({ ...full, day: 1 })).toBe(1)
    expect(await landed({ files: {}, day: 2, manifest: { rowCount: 0, noContent: true } })).toBe(1)
    expect(await landed({ files: {}, day: 3 })).toBe(1)
    expect(await landed({ files: {}, day: 4, manifest: { rowCount: 0 } })).toBe(0)
    expect(await landed({ ...full, day: 5 })).toBe(1)
    expect(await landed({ files: { 'e.csv': 'id,score\n' }, day: 6, manifest: { rowCount: 0 } })).toBe(0)
    expect(await landed({ ...full, day: 7 })).toBe(1)
    // An earlier window that says so is superseded.
    expect(await landed({ files: {}, day: 6, generation: 2, manifest: { rowCount: 0 } })).toBe(1)
  })

  test('is read whatever its name has in it', async () => {
    await using refinery = await aRefinery()
    const { balance } = await refinery.refineFiles(scores, {
      files: { 'ord[1]*?.csv': 'id,score\n1,1\n', "it's.csv": 'id,score\n2,2\n' },
    })
    expect(balance).toMatchObject({ in: 2, out: 2 })
  })
})

describe('rules', () => {
  const ruled = (severity: 'warn' | 'error' | 'fail') =>
    aDataset({ columns: [id, score], contract: { rowRules: [{ name: 'low', severity, expression: 'score < 5' }] } })
  const files = { 'a.csv': 'id,score\n1,1\n2,9\n3,\n' }

  test('warn: the row is kept and counted', async () => {
    await using refinery = await aRefinery()
    const outcome = await refinery.refineFiles(ruled('warn'), { files })
    expect(outcome).toMatchObject({
      balance: { out: 3, rejected: 0 },
      quality: [
        {
          rule: 'low',
          severity: 'warn',
          checked: 3,
          failed: 1,
          detail: expect.stringMatching(/ 1 of 3 that does not: a\.csv:3$/),
        },
      ],
    })
  })

  test('warn: the row is in the table, and beside the rejects to be looked at', async () => {
    await using refinery = await aRefinery()
    const rowRules = [
      { name: 'low', severity: 'warn', expression: 'score < 5' },
      { name: 'even', severity: 'warn', expression: 'id % 2 = 0' },
      { name: 'small', severity: 'error', expression: 'id < 9' },
    ] as const
    const dataset = aDataset({ columns: [id, score], contract: { rowRules: [...rowRules] } })

    const { balance } = await refinery.refineFiles(dataset, { files: { 'a.csv': 'id,score\n1,7\n2,8\n4,1\n9,9\n' } })

    expect(balance).toMatchObject({ in: 4, out: 3, rejected: 1 })
    expect(await refinery.rowsOf('orders', 'id', 'id')).toEqual([{ id: 1 }, { id: 2 }, { id: 4 }])
    expect(await refinery.rowsOf('_rejects/orders', 'line', 'line, kept, rule, rules, found, raw')).toEqual([
      { line: 2, kept: true, rule: 'low', rules: ['low', 'even'], found: ['score=7.0', 'id=1'], raw: '1,7' },
      { line: 3, kept: true, rule: 'low', rules: ['low'], found: ['score=8.0'], raw: '2,8' },
      { line: 5, kept: false, rule: 'small', rules: ['small'], found: ['id=9'], raw: '9,9' },
    ])
    const again = await refinery.refineFiles(dataset, { files: { 'a.csv': 'id,score\n2,1\n' }, generation: 2 })
    expect(again.balance).toMatchObject({ out: 1 })
    expect(await refinery.rowsOf('_rejects/orders')).toEqual([])
  })

  test('warn: of many rows the first thousand are kept to be looked at, and all are counted', async () => {
    await using refinery = await aRefinery()
    const rowRules = [
      { name: 'low', severity: 'warn', expression: 'score < 5' },
      { name: 'last', severity: 'warn', expression: 'id < 1399' },
    ] as const
    const dataset = aDataset({ columns: [id, score], contract: { rowRules: [...rowRules] } })
    const rows = (from: number) => Array.from({ length: 700 }, (_, index) => `${from + index},9\n`).join('')
    const files = { 'a.csv': `id,score\n${rows(0)}`, 'b.csv': `id,score\n${rows(700)}` }

    const { quality } = await refinery.refineFiles(dataset, { files })

    expect(quality).toMatchObject([
      { rule: 'low', failed: 1400, detail: expect.stringMatching(/a\.csv:2, a\.csv:3, a\.csv:4, …$/) },
      { rule: 'last', failed: 1, detail: expect.stringMatching(/b\.csv:701$/) },
    ])
    const [kept] = await refinery.rowsOf(
      '_rejects/orders',
      'ALL',
      `count(*) FILTER (rule = 'low' AND file = 'a.csv')::INT AS a, count(*) FILTER (rule = 'low')::INT AS low, count(*) FILTER (list_contains(rules, 'last'))::INT AS last`,
    )
    expect(kept).toEqual({ a: 700, low: 1001, last: 1 })
  })

  test.each([
    ['rejects', 'error', 'contracts/orders.yaml:31:22'],
    ['only warns', 'warn', 'contracts/orders.yaml:31:22'],
  ] as const)(
    'a rule that %s and cannot be computed is told with its place in the contract',
    async (_, severity, place) => {
      await using refinery = await aRefinery()
      const expression = "id > 0 AND CAST('x' || id AS INTEGER) > 0"
      const rule = { name: 'odd', severity, expression, begin: { line: 31, column: 11 } }
      const others = [{ name: 'good', severity, expression: 'id > 0' }]
      const dataset = aDataset({ columns: [id, score], contract: { rowRules: [...others, rule] } })

      await expect(refinery.refineFiles(dataset, { files: { 'a.csv': 'id,score\n1,7\n' } })).rejects.toMatchObject({
        code: 'ENGINE_SQL_FAILED',
        context: { in: place },
        message: expect.not.stringContaining('x1'),
      })
    },
  )

  test('error: the row is rejected; one of which the rule says nothing is not', async () => {
    await using refinery = await aRefinery()
    const outcome = await refinery.refineFiles(ruled('error'), { files })
    expect(outcome).toMatchObject({
      balance: { out: 2, rejected: 1 },
      rejects: { low: 1 },
      quality: [{ rule: 'low', severity: 'error', failed: 1 }],
    })
  })

  test('fail: the task fails with the places of the rows, which are rejects; the table stays', async () => {
    await using refinery = await aRefinery()
    await expect(refinery.refineFiles(ruled('fail'), { files })).rejects.toMatchObject({
      code: 'REFINE_RULE_FAILED',
      retryable: false,
      context: { dataset: 'orders', rule: 'low', failedCount: 1 },
      message: expect.stringMatching(
        /got 1 of 3 that does not: \S+:\d; .*`cinelake rejects orders --window \S+` shows the rows/,
      ),
      quality: [{ rule: 'low', severity: 'fail', checked: 3, failed: 1 }],
    })
    expect(await refinery.rowsOf('orders')).toEqual([])
    expect(await refinery.rowsOf('_rejects/orders')).toMatchObject([{ rule: 'low', line: expect.anything() }])
  })

  test('fail: rows that only broke a warning are not said to be in the table', async () => {
    await using refinery = await aRefinery()
    const rowRules = [
      { name: 'low', severity: 'fail', expression: 'score < 5' },
      { name: 'even', severity: 'warn', expression: 'id % 2 = 0' },
    ] as const
    const dataset = aDataset({ columns: [id, score], contract: { rowRules: [...rowRules] } })

    await expect(refinery.refineFiles(dataset, { files })).rejects.toMatchObject({ code: 'REFINE_RULE_FAILED' })

    expect(await refinery.rowsOf('_rejects/orders', 'line', 'line, rule, kept')).toEqual([
      { line: 3, rule: 'low', kept: false },
    ])
  })

  const sized = (severity: 'warn' | 'fail', count: number) => {
    const rule = {
      name: 'size',
      severity,
      query: 'SELECT count(*) FROM {table}',
      expect: { operator: '=' as const, values: [count] },
    }
    return aDataset({ columns: [id, score], contract: { primaryKey: ['id'], tableRules: [rule] } })
  }
  const sizes = { 'a.csv': 'id,score\n1,1\n1,2\n2,x\n3,3\n' }

  test.each([
    ['warn', 3, 1],
    ['warn', 2, 0],
    ['fail', 2, 0],
  ] as const)(
    'about the table, %s: of the rows that go into it, expecting %i, it finds %i faults',
    async (severity, count, failed) => {
      await using refinery = await aRefinery()
      const { quality, output } = await refinery.refineFiles(sized(severity, count), { files: sizes })
      expect(quality).toContainEqual({
        rule: 'size',
        severity,
        checked: 1,
        failed,
        detail: `expected = ${count}, got 2`,
      })
      expect(output).toMatchObject({ outcome: 'committed' })
    },
  )

  test('about the table, fail: the task fails, and nothing is committed', async () => {
    await using refinery = await aRefinery()
    await expect(refinery.refineFiles(sized('fail', 3), { files: sizes })).rejects.toMatchObject({
      code: 'REFINE_RULE_FAILED',
      context: { rule: 'size' },
    })
    expect(await refinery.rowsOf('orders')).toEqual([])
  })
})

describe('columns with names that the engine or this program uses itself', () => {
  const NAMES =
    'filename Filename file_row_number FILE_ROW_NUMBER file_index rowid rowgroup_id column_id _file _flag _field0 _field1 _deleted old new staged rule rules h latest line select ordinal raw kept found source at row_number cinelake excluded before'.split(
      ' ',
    )
  const found = async (refinery: Refinery, name: string) =>
    (await refinery.rowsOf('orders', 'n')).map((row) => [row[name], row['n']])

  test.each(NAMES)('%s', async (name) => {
    await using refinery = await aRefinery()
    const columns = [aColumn(name, { required: true }), aColumn('n', { type: 'BIGINT' })]
    const merged = aDataset({ columns, contract: { primaryKey: [name] }, mode: 'merge' })
    const header = `${name},n\n`
    await refinery.refineFiles(merged, { files: { '1.csv': `${header}a,1\nb,2\nc,x\n`, '2.csv': `${header}a,1\n` } })
    const { balance } = await refinery.refineFiles(merged, { files: { '3.csv': `${header}b,3\nd,4\n` }, day: 2 })
    expect(balance).toMatchObject({ in: 2, out: 2 })
    const rows = [
      ['a', 1],
      ['b', 3],
      ['d', 4],
    ]
    expect(await found(refinery, name)).toEqual(rows)
    expect(await refinery.rowsOf('_rejects/orders', 'ALL', 'rule, line, raw')).toEqual([
      { rule: 'type(n)', line: 4, raw: 'c,x' },
    ])
    const whole = { ...merged, mode: 'snapshot' as const }
    await refinery.refineFiles(whole, { files: { '1.csv': `n,${name}\n1,a\n3,b\n4,d\n4,\n` }, day: 3 })
    expect(await found(refinery, name)).toEqual(rows)
    const added = { ...merged, mode: 'append' as const }
    await expect(
      refinery.refineFiles(added, { files: { '1.csv': `${header}d,9\ne,9\n` }, day: 4 }),
    ).rejects.toMatchObject({ code: 'REFINE_KEY_REPEATED', context: { row: 1 } })
  })

  test('of a landed Parquet file, with a reject', async () => {
    for (const name of NAMES) {
      await using refinery = await aRefinery()
      await using session = await refinery.engine.session()
      const file = join(refinery.directory, 'landed.parquet')
      await session.run(`COPY (SELECT 'a' AS "${name}", 1 AS n UNION ALL SELECT NULL, 2) TO '${file}' (FORMAT parquet)`)
      const columns = [aColumn(name, { required: true }), aColumn('n', { type: 'BIGINT' })]
      const dataset = aDataset({ columns, contract: { primaryKey: [name] } })
      await refinery.refineFiles(dataset, {
        files: { 'p.parquet': await readFile(file) },
        manifest: { format: 'parquet', rowCount: 2 },
      })
      expect(await found(refinery, name)).toEqual([['a', 1]])
      expect(await refinery.rowsOf('_rejects/orders', 'ALL', 'raw')).toEqual([{ raw: `{"${name}":null,"n":2}` }])
    }
  })
})

describe('a column that is gone', () => {
  const priced = (fields: Partial<Parameters<typeof aDataset>[0]> = {}) =>
    aDataset({
      columns: [aColumn('id', { type: 'BIGINT', required: true }), aColumn('price'), aColumn('name')],
      contract: { primaryKey: ['id'] },
      ...fields,
    })
  const first = { files: { 'a.csv': 'id,price,name\n1,10,a\n2,20,b\n' } }
  const second = { files: { 'a.csv': 'id,name,cost\n1,aa,11\n3,cc,33\n' }, day: 2 }

  test.each(['snapshot', 'merge', 'append'] as const)(
    'where it had values fails, %s, with what else came',
    async (mode) => {
      await using refinery = await aRefinery()
      const dataset = priced({ mode })
      await refinery.refineFiles(dataset, first)
      const before = await valuesOf(refinery)
      await expect(refinery.refineFiles(dataset, second)).rejects.toMatchObject({
        code: 'REFINE_COLUMN_GONE',
        retryable: false,
        message: expect.stringMatching(
          /file=a\.csv.*expected price, got none, and cost that the contract does not know/,
        ),
      })
      expect(await valuesOf(refinery)).toEqual(before)
    },
  )

  test('with keep, merged rows keep their values, and new ones have none', async () => {
    await using refinery = await aRefinery()
    const dataset = priced({ mode: 'merge', missingColumns: 'keep' })
    await refinery.refineFiles(dataset, first)
    const { quality } = await refinery.refineFiles(dataset, second)
    expect(quality).toContainEqual(expect.objectContaining({ rule: 'missing_columns', severity: 'warn' }))
    expect(await valuesOf(refinery)).toEqual([
      { id: 1, price: '10', name: 'aa' },
      { id: 2, price: '20', name: 'b' },
      { id: 3, price: null, name: 'cc' },
    ])
    const mixed = { files: { ...second.files, 'b.csv': 'id,name,price\n2,bb,\n' }, day: 3 }
    await expect(refinery.refineFiles(dataset, mixed)).rejects.toMatchObject({ code: 'REFINE_COLUMN_GONE' })
  })

  test('with fill, merged rows take it from the row before', async () => {
    await using refinery = await aRefinery()
    const dataset = priced({ mode: 'merge', duplicates: 'fill' })
    await refinery.refineFiles(dataset, first)
    await refinery.refineFiles(dataset, second)
    expect(await refinery.rowsOf('orders', 'id', 'id, price')).toMatchObject([
      { price: '10' },
      { price: '20' },
      { price: null },
    ])
  })

  test.each([
    ['snapshot', 'keep'],
    ['snapshot', 'empty'],
    ['merge', 'empty'],
  ] as const)('%s, %s: the rows that land have no value in it', async (mode, missingColumns) => {
    await using refinery = await aRefinery()
    const dataset = priced({ mode, missingColumns })
    await refinery.refineFiles(dataset, first)
    await refinery.refineFiles(dataset, second)
    expect((await valuesOf(refinery)).filter(({ id: key }) => key !== 2)).toMatchObject([
      { id: 1, price: null },
      { id: 3, price: null },
    ])
  })

  test('is fine in the first window, where it never had a value, and where no row came', async () => {
    await using refinery = await aRefinery()
    const dataset = priced()
    await refinery.refineFiles(dataset, { files: { 'a.csv': 'id,name\n1,a\n' } })
    await refinery.refineFiles(dataset, { files: { 'a.csv': 'id,name\n2,b\n' }, day: 2 })
    await refinery.refineFiles(dataset, { ...first, day: 3 })
    await refinery.refineFiles(dataset, { files: { 'a.csv': 'id,name\n' }, day: 4 })
    expect(await valuesOf(refinery)).toEqual([])
    await refinery.refineFiles(dataset, { ...first, day: 5 })
  })

  test.each([
    ['a value in one of six rows', 'id,price,name\n1,2,a\n2,,b\n3,,c\n4,,d\n5,,e\n6,,f\n', true],
    ['a value in all rows', 'id,price,name\n1,2,a\n', false],
  ] as const)(
    'of records, which may leave out their fields, is fine where chance can do it: %s',
    async (_, rows, isFine) => {
      await using refinery = await aRefinery()
      await refinery.refineFiles(priced(), { files: { 'a.csv': rows } })
      const command = await refinery.land(priced(), { ...second, day: 2 })
      const manifest = JSON.parse((await refinery.lake.readText(command.manifest)) ?? '') as { files: object[] }
      const files = manifest.files.map((file) => ({ ...file, ofRecords: true }))
      await refinery.lake.put(command.manifest, JSON.stringify({ ...manifest, files }))

      const outcome = await refinery.refine(command).then(
        ({ balance: { out } }) => ({ out }),
        (error: unknown) => error,
      )

      expect(outcome).toMatchObject(isFine ? { out: 2 } : { code: 'REFINE_COLUMN_GONE' })
    },
  )

  test('under its former name had values as well', async () => {
    await using refinery = await aRefinery()
    await refinery.refineFiles(priced(), first)
    const [key, , name] = priced().contract.columns
    const columns = [key!, aColumn('amount', { renamedFrom: ['price'] }), name!]
    await expect(refinery.refineFiles(priced({ columns }), second)).rejects.toMatchObject({
      code: 'REFINE_COLUMN_GONE',
      context: { columns: 'amount' },
    })
  })
})

describe('a window with many rejected rows', () => {
  const good = 'id,score\n1,8\n'
  const rows = (goodCount: number, badCount: number) =>
    `id,score\n${Array.from({ length: goodCount + badCount }, (_, at) => `${at},${at < goodCount ? '1' : 'x'}\n`).join('')}`

  test.each(['snapshot', 'merge', 'append'] as const)(
    'of which none is left, %s: fails by name of the reasons, keeps the table, and the rejects for inspection',
    async (mode) => {
      await using refinery = await aRefinery()
      const { maxRejected: _, ...dataset } = { ...scores, mode }
      await refinery.refineFiles(dataset, { files: { 'a.csv': good } })

      const failing = refinery.refineFiles(dataset, { files: { 'a.csv': 'id,score\n1,x\n2,3,4\n' }, day: 2 })

      await expect(failing).rejects.toMatchObject({
        code: 'REFINE_MOSTLY_REJECTED',
        retryable: false,
        context: { dataset: 'orders', rejected: 2, rowCount: 2 },
        message: expect.stringMatching(
          /got 2 of 2 \(row_shape 1, type\(score\) 1\); .*`cinelake rejects orders --window/,
        ),
      })
      await expect(failing).rejects.toMatchObject({
        quality: expect.arrayContaining([
          expect.objectContaining({ rule: 'max_rejected', severity: 'fail', failed: 2 }),
        ]),
      })
      expect(await valuesOf(refinery)).toEqual([{ id: 1, score: '8.0' }])
      expect(await refinery.rowsOf('_rejects/orders', 'line', 'rule, kept')).toEqual([
        { rule: 'type(score)', kept: false },
        { rule: 'row_shape', kept: false },
      ])
    },
  )

  test.each([
    ['by default, the one of two', undefined, 1, 1, true],
    ['by default, all but one of nine', undefined, 1, 8, true],
    ['by default, five of ten', undefined, 5, 5, true],
    ['by default, six of ten', undefined, 4, 6, false],
    ['by default, one of one', undefined, 0, 1, false],
    ['with 100%, all', 1, 0, 12, true],
    ['with 0%, one of twelve', 0, 11, 1, false],
    ['with 20%, one of five', 0.2, 4, 1, true],
    ['with 20%, one of four', 0.2, 3, 1, false],
  ] as const)('%s', async (_, maxRejected, goodCount, badCount, isFine) => {
    await using refinery = await aRefinery()
    const { maxRejected: __, ...plain } = scores
    const dataset = maxRejected === undefined ? plain : { ...plain, maxRejected }
    const done = refinery.refineFiles(dataset, { files: { 'a.csv': rows(goodCount, badCount) } })
    const outcome = await done.then(
      ({ balance: { out, rejected } }) => ({ out, rejected }),
      (error: unknown) => error,
    )
    expect(outcome).toMatchObject(isFine ? { out: goodCount, rejected: badCount } : { code: 'REFINE_MOSTLY_REJECTED' })
  })
})

describe('duplicates', () => {
  const keyed = (duplicates: 'newest' | 'fill') =>
    aDataset({ columns: [id, score, updated], contract: { primaryKey: ['id'] }, newestBy: ['updated'], duplicates })

  test('of a key: the newest wins, then the one of the later file, then of the later line', async () => {
    await using refinery = await aRefinery()
    const outcome = await refinery.refineFiles(keyed('newest'), {
      files: {
        'b.csv': 'id,score,updated\n2,1,2026-01-01\n3,1,\n3,2,\n',
        'a.csv': 'id,score,updated\n1,9,2026-01-02\n1,1,2026-01-01\n1,2,\n2,9,2026-01-01\n',
      },
    })
    expect(outcome.balance).toEqual({ unit: 'rows', in: 7, out: 3, rejected: 0, duplicates: 4 })
    expect(await valuesOf(refinery)).toEqual([
      { id: 1, score: '9.0', updated: '2026-01-02' },
      { id: 2, score: '1.0', updated: '2026-01-01' },
      { id: 3, score: '2.0', updated: null },
    ])
  })

  test('that are partial are filled up: a row that lacks a score does not replace one that has it', async () => {
    await using refinery = await aRefinery()
    await refinery.refineFiles(keyed('fill'), {
      files: { 'a.csv': 'id,score,updated\n1,8.1,2026-01-01\n1,8.7,2026-01-02\n1,,2026-01-03\n' },
    })
    expect(await valuesOf(refinery)).toEqual([{ id: 1, score: '8.7', updated: '2026-01-03' }])
  })

  test('without a key are kept, or are the rows that are the same all over', async () => {
    await using refinery = await aRefinery()
    const files = { 'a.csv': 'id,score\n1,\n1,\n1,2\n1, 2.0 \n' }
    const dataset = aDataset({ columns: [id, score] })
    const kept = await refinery.refineFiles({ ...dataset, duplicates: 'keep' }, { files })
    const dropped = await refinery.refineFiles({ ...dataset, duplicates: 'newest' }, { files, day: 2 })
    expect(kept.balance).toEqual({ unit: 'rows', in: 4, out: 4, rejected: 0, duplicates: 0 })
    expect(dropped.balance).toEqual({ unit: 'rows', in: 4, out: 2, rejected: 0, duplicates: 2 })
  })

  test('that contradict each other are counted apart from harmless ones, with their places', async () => {
    await using refinery = await aRefinery()
    const dataset = aDataset({ columns: [id, score], contract: { primaryKey: ['id'] } })
    const files = { 'a.csv': 'id,score\n1,10\n1,99\n1,10\n2,5\n2,5\n', 'b.csv': 'id,score\n3,\n3,1\n' }
    const { balance, quality } = await refinery.refineFiles(dataset, { files })
    expect(balance).toMatchObject({ in: 7, out: 3, duplicates: 4 })
    expect(quality).toEqual([
      {
        rule: 'conflicting_duplicates',
        severity: 'warn',
        checked: 7,
        failed: 2,
        detail:
          'expected rows with one key (id) to have the same values, got 2 of 4 duplicates with others in score (row 1 of a.csv, row 2 of a.csv, row 3 of a.csv, …); the later row is taken: say with `newestBy` which is newer, or correct the source',
      },
    ])
  })

  test.each([
    ['a newer row', keyed('newest'), '1,10,2026-01-01\n1,99,2026-01-02', []],
    ['a row that is as new', keyed('newest'), '1,10,2026-01-01\n1,99,2026-01-01', ['conflicting_duplicates']],
    ['a contradiction among older rows', keyed('newest'), '1,1,2026-01-01\n1,2,2026-01-01\n1,3,2026-01-02', []],
    ['a value that another row lacks, filled up', keyed('fill'), '1,,2026-01-01\n1,99,2026-01-01', []],
    ['another value, filled up', keyed('fill'), '1,10,2026-01-01\n1,99,2026-01-01', ['conflicting_duplicates']],
  ])('with %s', async (_, dataset, rows, rules) => {
    await using refinery = await aRefinery()
    const { quality } = await refinery.refineFiles(dataset, { files: { 'a.csv': `id,score,updated\n${rows}\n` } })
    expect(quality?.map(({ rule }) => rule)).toEqual(rules)
  })

  test.each([
    ['case', 'ab', 'AB'],
    ['blanks within', 'a b', 'ab'],
    ['no-break spaces', 'a b', 'a\u00a0b'],
    ['characters without width', 'ab', 'a\u200bb'],
    ['the parts of a letter', '\u00e9', 'e\u0301'],
    ['case beyond ASCII', 'É', 'é'],
  ])('are no keys that differ in %s, but told', async (_, one, other) => {
    await using refinery = await aRefinery()
    const code = aColumn('code', { required: true })
    const dataset = aDataset({ columns: [code, score], contract: { primaryKey: ['code'] } })
    const { balance, quality } = await refinery.refineFiles(dataset, {
      files: { 'a.csv': `code,score\n${one},1\n${other},2\nz,3\n` },
    })
    expect(balance).toMatchObject({ in: 3, out: 3, duplicates: 0 })
    expect(quality).toMatchObject([{ rule: 'similar_keys', severity: 'warn', failed: 1 }])
    expect(await refinery.rowsOf('orders', 'score', 'code')).toEqual([{ code: one }, { code: other }, { code: 'z' }])
  })

  test('of a table without a key that no dataset declares are kept', async () => {
    await using refinery = await aRefinery()
    await using session = await refinery.engine.session()
    const file = join(refinery.directory, 'rows.parquet')
    await session.run(`COPY (SELECT 1 AS a FROM range(2)) TO '${file}' (FORMAT parquet)`)
    const landing = {
      files: { 'part-0.parquet': await readFile(file) },
      manifest: { format: 'parquet' as const, rowCount: 2, columns: [{ name: 'a', type: 'INTEGER' }] },
    }
    const { balance } = await refinery.refine(await refinery.land(undefined, landing))
    expect(balance).toMatchObject({ in: 2, out: 2, duplicates: 0 })
  })

  test('do not depend on the order of rows and files where the newest is certain', async () => {
    await using refinery = await aRefinery()
    const row = fc.record({ id: fc.integer({ min: 1, max: 4 }), score: fc.option(fc.integer({ min: 0, max: 9 })) })
    let run = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { maxLength: 8 }),
        fc.infiniteStream(fc.integer({ min: 0, max: 1000 })),
        fc.constantFrom('newest', 'fill'),
        async (rows, order, duplicates) => {
          // Each row has a day of its own.
          const lines = rows.map(
            (values, index) => `${values.id},${values.score ?? ''},2026-01-${String(index + 1).padStart(2, '0')}`,
          )
          const shuffled = lines
            .map((line) => ({ line, at: order.next().value ?? 0 }))
            .toSorted((one, other) => one.at - other.at)
          const split = (all: readonly string[]) =>
            Object.fromEntries(
              [0, 1].map((part) => [
                `${part}.csv`,
                ['id,score,updated', ...all.filter((_, index) => index % 2 === part)].join('\n'),
              ]),
            )
          const tables = []
          for (const all of [lines, shuffled.map(({ line }) => line)]) {
            const dataset = { ...keyed(duplicates), name: `orders_${run++}` }
            await refinery.refineFiles(dataset, { files: split(all) })
            tables.push(await valuesOf(refinery, dataset.name))
          }
          expect(tables[1]).toEqual(tables[0])
        },
      ),
      { numRuns: 10 },
    )
  })
})

describe('modes', () => {
  const merged = aDataset({
    columns: [id, score, updated],
    mode: 'merge',
    contract: { primaryKey: ['id'] },
    newestBy: ['updated'],
  })
  const day = (number: number, content: string, dataset = merged) => ({
    dataset,
    landing: { day: number, files: { 'a.csv': `id,score,updated\n${content}` } },
  })

  test('snapshot: the landing is the table; a window before it changes nothing', async () => {
    await using refinery = await aRefinery()
    await refinery.refineFiles(scores, { day: 2, files: { 'a.csv': 'id,score\n1,1\n2,2\n' } })
    const later = await refinery.refineFiles(scores, { day: 3, files: { 'a.csv': 'id,score\n2,5\n' } })
    const earlier = await refinery.refineFiles(scores, { day: 1, files: { 'a.csv': 'id,score\n1,9\n' } })
    expect(later.output).toMatchObject({ version: 1, outcome: 'committed' })
    expect(earlier.output).toMatchObject({ version: 1, outcome: 'superseded' })
    expect(await valuesOf(refinery)).toEqual([{ id: 2, score: '5.0' }])
  })

  test('the same files the next day leave the table as it is', async () => {
    await using refinery = await aRefinery()
    const files = { 'a.csv': 'id,score\n1,1\n' }
    await refinery.refineFiles(scores, { day: 1, files })
    const { output, balance } = await refinery.refineFiles(scores, { day: 2, files })
    expect(output).toMatchObject({ version: 0, outcome: 'unchanged' })
    expect(balance).toEqual({ unit: 'rows', in: 0, out: 0, rejected: 0, duplicates: 0 })
  })

  test.each([
    [1, 2, 3],
    [3, 1, 2],
    [2, 3, 1],
    [3, 2, 1],
  ])('merge: windows in the order %i, %i, %i make the same table', async (...order) => {
    await using refinery = await aRefinery()
    const days = [
      day(1, '1,1,2026-01-01\n2,1,2026-01-05\n'),
      day(2, '1,2,2026-01-01\n2,2,2026-01-04\n3,2,\n'),
      day(3, '3,3,\n1,3,2025-12-31\n'),
    ]
    for (const number of order) {
      const { dataset, landing } = days[number - 1] ?? day(0, '')
      await refinery.refineFiles(dataset, landing)
    }
    expect(await refinery.rowsOf('orders')).toEqual([
      { id: 1, score: '2.0', updated: '2026-01-01', _window: '2026-03-02T00:00:00.000000Z' },
      { id: 2, score: '1.0', updated: '2026-01-05', _window: '2026-03-01T00:00:00.000000Z' },
      { id: 3, score: '3.0', updated: null, _window: '2026-03-03T00:00:00.000000Z' },
    ])
  })

  test('merge: with fill the row that is there gives what the new one lacks', async () => {
    await using refinery = await aRefinery()
    const filled = { ...merged, duplicates: 'fill' as const }
    for (const { dataset, landing } of [
      day(1, '1,8.7,2026-01-01\n2,,2026-01-09\n', filled),
      day(2, '1,,2026-01-02\n2,5,2026-01-08\n', filled),
    ])
      await refinery.refineFiles(dataset, landing)
    expect(await valuesOf(refinery)).toEqual([
      { id: 1, score: '8.7', updated: '2026-01-02' },
      { id: 2, score: '5.0', updated: '2026-01-09' },
    ])
  })

  test('append: a window that is run again takes the place of its own rows', async () => {
    await using refinery = await aRefinery()
    const appended = aDataset({ columns: [id], mode: 'append' })
    await refinery.refineFiles(appended, { day: 1, files: { 'a.csv': 'id\n1\n2\n' } })
    await refinery.refineFiles(appended, { day: 2, files: { 'a.csv': 'id\n1\n' } })
    await refinery.refineFiles(appended, { day: 1, generation: 2, files: { 'a.csv': 'id\n7\n' } })
    expect(await valuesOf(refinery)).toEqual([{ id: 1 }, { id: 7 }])
  })

  test('rejects are replaced with the window, and those of other windows stay', async () => {
    await using refinery = await aRefinery()
    await refinery.refineFiles(merged, day(1, 'x,1,\n').landing)
    await refinery.refineFiles(merged, day(2, 'y,1,\n').landing)
    await refinery.refineFiles(merged, { ...day(1, '1,1,\n').landing, generation: 2 })
    expect(await refinery.rowsOf('_rejects/orders', 'ALL', 'window_label, raw')).toEqual([
      { window_label: '2026-03-02', raw: 'y,1,' },
    ])
  })
})

describe('a landed database table', () => {
  async function parquet(refinery: Refinery, query: string): Promise<Uint8Array> {
    await using session = await refinery.engine.session()
    const file = join(refinery.directory, 'landed.parquet')
    await session.run(`COPY (${query}) TO '${file}' (FORMAT parquet)`)
    return await readFile(file)
  }

  test('that no dataset declares is taken as it is, under names that a table may have', async () => {
    await using refinery = await aRefinery()
    const content = await parquet(
      refinery,
      `SELECT 1 AS id, 'x' AS "First Name", TIMESTAMP '2026-01-01 10:00:00' AS "userId", 2::UTINYINT AS user_id`,
    )
    const columns = [
      { name: 'id', type: 'INTEGER' },
      { name: 'First Name', type: 'VARCHAR' },
      { name: 'userId', type: 'TIMESTAMP' },
      { name: 'user_id', type: 'UTINYINT' },
    ]
    const command = await refinery.land(undefined, {
      files: { 'part-00000.parquet': content },
      manifest: { format: 'parquet', columns, primaryKey: ['id'] },
    })
    const outcome = await refinery.refine(command)
    expect(outcome.balance).toMatchObject({ in: 1, out: 1 })
    expect(await valuesOf(refinery)).toEqual([
      { id: 1, First_Name: 'x', userId: '2026-01-01T10:00:00.000000Z', user_id: 2 },
    ])
  })

  test('that no dataset declares and that has no rows any more empties its table', async () => {
    await using refinery = await aRefinery()
    const columns = [{ name: 'id', type: 'BIGINT' }]
    const manifest = { format: 'parquet', columns } as const
    const one = await parquet(refinery, 'SELECT 1::BIGINT AS id')
    await refinery.refine(
      await refinery.land(undefined, { files: { 't.parquet': one }, manifest: { ...manifest, rowCount: 1 } }),
    )
    expect(await refinery.rowsOf('orders')).toHaveLength(1)
    const none = await parquet(refinery, 'SELECT 1::BIGINT AS id WHERE false')
    await refinery.refine(
      await refinery.land(undefined, { files: { 't.parquet': none }, day: 2, manifest: { ...manifest, rowCount: 0 } }),
    )
    expect(await refinery.rowsOf('orders')).toEqual([])
  })

  test('that is declared is held against its contract; a rejected row is kept as JSON', async () => {
    await using refinery = await aRefinery()
    const content = await parquet(
      refinery,
      `SELECT * FROM (VALUES (1, 8.7::DOUBLE, 'n'), (2, 8.75, NULL), (NULL, 1, 'x')) AS t("ID", "Score", note)`,
    )
    const outcome = await refinery.refineFiles(scores, {
      files: { 'part-00000.parquet': content },
      manifest: { format: 'parquet', rowCount: 3 },
    })
    expect(outcome).toMatchObject({
      balance: { in: 3, out: 1, rejected: 2 },
      rejects: { 'type(score)': 1, 'required(id)': 1 },
    })
    expect(await refinery.rowsOf('_rejects/orders', 'ALL', 'rule, file, line, raw')).toEqual([
      { rule: 'required(id)', file: 'part-00000.parquet', line: 3, raw: '{"ID":null,"Score":1.0,"note":"x"}' },
      { rule: 'type(score)', file: 'part-00000.parquet', line: 2, raw: '{"ID":2,"Score":8.75,"note":null}' },
    ])
  })

  test('of which a rejected row holds NaN and infinity is kept as JSON that everybody reads', async () => {
    await using refinery = await aRefinery()
    const content = await parquet(
      refinery,
      `SELECT NULL::INTEGER AS id, 'nan'::DOUBLE AS a, '-inf'::FLOAT AS b, ['inf'::DOUBLE, 1.5, NULL] AS c, [2.5::DOUBLE] AS d, NULL::DOUBLE AS e, 0.1::DOUBLE AS f`,
    )
    await refinery.refineFiles(aDataset({ columns: [aColumn('id', { type: 'INTEGER', required: true })] }), {
      files: { 'part-00000.parquet': content },
      manifest: { format: 'parquet', rowCount: 1 },
    })
    const [reject] = (await refinery.rowsOf('_rejects/orders', 'ALL', 'raw')) as { raw: string }[]
    expect(JSON.parse(reject?.raw ?? '')).toEqual({
      id: null,
      a: 'NaN',
      b: '-Infinity',
      c: ['Infinity', '1.5', null],
      d: [2.5],
      e: null,
      f: 0.1,
    })
  })

  test('whose values do not all fit their types: such rows are rejected with the text, or are that text', async () => {
    await using refinery = await aRefinery()
    const unfit = `CASE WHEN score IS NULL THEN {'score': odd, 'noted': odd, 'note': odd, 'items': odd} END AS "cinelake.unfit"`
    const content = await parquet(
      refinery,
      `SELECT id, score, score AS noted, note, [note] AS items, ${unfit}
       FROM (VALUES (1, 8.7, 'n', ''), (2, NULL, 'm', 'NaN'), (3, NULL, NULL, '\\xff'), (4, NULL, 'o', 'none')) AS t(id, score, note, odd)`,
    )
    const refine = async (columns: Parameters<typeof aDataset>[0]['columns'], day: number) =>
      await refinery.refineFiles(
        aDataset({ name: `t${day}`, columns: [aColumn('id', { type: 'INTEGER' }), ...columns] }),
        {
          files: { 'part-00000.parquet': content },
          day,
          manifest: { format: 'parquet', rowCount: 4 },
          unfit: { column: 'cinelake.unfit', of: ['score', 'noted', 'note', 'items'] },
        },
      )

    const typed = aColumn('score', { type: 'DECIMAL(4,1)', reading: { nulls: ['none'] } })
    expect(await refine([typed], 1)).toMatchObject({
      balance: { in: 4, out: 2, rejected: 2 },
      rejects: { 'type(score)': 2 },
    })
    expect(await refinery.rowsOf('t1', 'ALL', 'id, score')).toEqual([
      { id: 1, score: '8.7' },
      { id: 4, score: null },
    ])
    expect(await refinery.rowsOf('_rejects/t1', 'ALL', 'file, line, found, raw')).toEqual([
      {
        file: 'part-00000.parquet',
        line: 2,
        found: ['score=NaN'],
        raw: '{"id":2,"score":"NaN","noted":"NaN","note":"NaN","items":"NaN"}',
      },
      {
        file: 'part-00000.parquet',
        line: 3,
        found: [String.raw`score=\xff`],
        raw: JSON.stringify({ id: 3, score: '\\xff', noted: '\\xff', note: '\\xff', items: '\\xff' }),
      },
    ])

    // A number whose column is a text in the lake, and a text that is none.
    expect(await refine([aColumn('noted')], 2)).toMatchObject({ balance: { out: 3, rejected: 1 } })
    expect(await refinery.rowsOf('t2', 'ALL', 'id, noted')).toEqual([
      { id: 1, noted: '8.7' },
      { id: 2, noted: 'NaN' },
      { id: 4, noted: 'none' },
    ])
    expect(await refine([aColumn('note')], 3)).toMatchObject({ balance: { out: 1 }, rejects: { 'type(note)': 3 } })
    expect(await refine([aColumn('items', { type: 'VARCHAR[]' })], 4)).toMatchObject({
      balance: { out: 1 },
      rejects: { 'type(items)': 3 },
    })
  })

  test.each(['parquet', 'csv'] as const)(
    'in a folder that is named like a column and a value, as %s, keeps its own',
    async (format) => {
      await using refinery = await aRefinery()
      const content = format === 'csv' ? 'id,score\n1,2.5\n' : await parquet(refinery, 'SELECT 1 AS id, 2.5 AS score')
      await refinery.refineFiles(scores, { files: { [`id=7/score=9/x.${format}`]: content }, manifest: { format } })

      expect(await refinery.rowsOf('orders', 'id', 'id, score::VARCHAR AS score')).toMatchObject([{ score: '2.5' }])
      expect((await refinery.rowsOf('orders', 'id', 'id::VARCHAR AS id'))[0]).toEqual({ id: '1' })
    },
  )

  test('that holds other rows than were landed is a failed task', async () => {
    await using refinery = await aRefinery()
    const content = await parquet(refinery, 'SELECT 1 AS id, 1 AS score')
    await expect(
      refinery.refineFiles(scores, { files: { 'p.parquet': content }, manifest: { format: 'parquet', rowCount: 2 } }),
    ).rejects.toMatchObject({ code: 'REFINE_RECORDS_LOST' })
  })
})

describe('trouble', () => {
  test('a file that cannot be read fails the task by name, and nothing is committed', async () => {
    await using refinery = await aRefinery()
    const broken = Buffer.from('\u{feff}id,score\n1,2', 'utf16le').subarray(0, -1)
    const dataset = aDataset({ columns: [id, score] })
    await expect(
      refinery.refineFiles(dataset, { files: { 'a.csv': 'id,score\n1,1\n', 'b.csv': broken } }),
    ).rejects.toMatchObject({
      code: 'REFINE_FILE_UNREADABLE',
      retryable: false,
      context: { file: 'b.csv', byte: 24 },
    })
    expect(await refinery.rowsOf('orders')).toEqual([])
  })

  test.each([
    ['shorter', 'id,score\n'],
    ['other bytes of the same length', 'id,score\n1,2\n'],
  ])('a landed file that is %s now is told to be damaged, with the way back', async (_, content) => {
    await using refinery = await aRefinery()
    const command = await refinery.land(scores, { files: { 'a.csv': 'id,score\n1,1\n' } })
    const file = 'raw/shop/files/shop/orders/2026-03-01.g1/a.csv'
    await refinery.lake.put(file, content)
    await expect(refinery.refine(command)).rejects.toMatchObject({
      code: 'RAW_DAMAGED',
      retryable: false,
      context: { dataset: 'orders', file },
      message: expect.stringContaining('`cinelake run DIR --window 2026-03-01`'),
    })
    expect(await refinery.rowsOf('orders')).toEqual([])
  })

  test('a landed file that is gone is told, with the way back', async () => {
    await using refinery = await aRefinery()
    const command = await refinery.land(scores, { files: { 'a.csv': 'id,score\n1,1\n' } })
    await refinery.lake.delete('raw/shop/files/shop/orders/2026-03-01.g1/a.csv')
    await expect(refinery.refine(command)).rejects.toMatchObject({
      code: 'RAW_LOST',
      message: expect.stringContaining('`cinelake run DIR --window 2026-03-01`'),
    })
  })

  test('a manifest that is not there is told', async () => {
    await using refinery = await aRefinery()
    const command = await refinery.land(scores, { files: {} })
    await expect(refinery.refine({ ...command, manifest: 'raw/_landed/none.json' })).rejects.toMatchObject({
      code: 'RAW_LOST',
      message: expect.stringContaining('`cinelake run DIR --window 2026-03-01`'),
    })
    await expect(refinery.refine({ ...command, dataset: 'unknown' })).rejects.toMatchObject({
      code: 'REFINE_INPUT_INVALID',
    })
  })

  test.each(['snapshot', 'merge', 'append'] as const)('%s: a table that is gone is not made anew', async (mode) => {
    await using refinery = await aRefinery()
    const dataset = aDataset({ columns: [id, score], mode, contract: { primaryKey: ['id'] } })
    const table = `${refinery.directory}/lake/refined/shop/orders`
    await refinery.refineFiles(dataset, { files: { 'a.csv': 'id,score\n1,1\n' }, day: 1 })
    await cp(table, `${refinery.directory}/older`, { recursive: true })
    const { output } = await refinery.refineFiles(dataset, { files: { 'a.csv': 'id,score\n2,2\n' }, day: 2 })
    const known = knownAfter(output)
    const next = {
      ...(await refinery.land(dataset, { files: { 'a.csv': 'id,score\n3,3\n' }, day: 3 })),
      expected: known,
    }
    const told = async (code: string, found: RegExp) =>
      await expect(refinery.refine(next)).rejects.toMatchObject({
        code,
        retryable: false,
        message: expect.stringMatching(new RegExp(`${found.source}.*cinelake rebuild DIR orders`)),
      })

    await rm(`${table}/_delta_log`, { recursive: true })
    await told('DELTA_LOG_CORRUPT', /data files beside it/)
    await rm(table, { recursive: true })
    await told('TABLE_LOST', /got no table/)
    await cp(`${refinery.directory}/older`, table, { recursive: true })
    await told('TABLE_LOST', /got version 0 as the latest/)
    await rm(table, { recursive: true })
    await refinery.refineFiles(dataset, { files: { 'a.csv': 'id,score\n9,9\n' }, day: 9 })
    await told('TABLE_REPLACED', /got a table with id/)

    const restarted = await refinery.refine({ ...next, restart: true, generation: 2 })
    expect(restarted.output).toMatchObject({ outcome: 'committed', began: true })
    expect(await refinery.rowsOf('orders', 'id', 'id')).toEqual([{ id: 3 }])
    const later = await refinery.land(dataset, { files: { 'a.csv': 'id,score\n4,4\n' }, day: 10 })
    await refinery.refine({ ...later, expected: knownAfter(restarted.output) })
  })

  test('a table that may begin again should it be lost goes on where it is whole', async () => {
    await using refinery = await aRefinery()
    const first = await refinery.refineFiles(scores, { files: { 'a.csv': 'id,score\n1,1\nx,1\n' } })
    const known = { expected: knownAfter(first.output), expectedRejects: rejectsAfter(first.output) }
    const next = async (day: number) => ({
      ...(await refinery.land(scores, { files: { 'a.csv': 'id,score\n2,2\n' }, day })),
      ...known,
      restartIfLost: true,
    })

    const whole = await refinery.refine(await next(2))
    expect(whole.quality).not.toContainEqual(expect.objectContaining({ rule: 'table_restarted' }))
    expect(knownAfter(whole.output).id).toBe(known.expected.id)
    await rm(`${refinery.directory}/lake/refined`, { recursive: true })

    const lost = await refinery.refine(await next(3))
    expect(lost.output).toMatchObject({ version: 0, began: true, rejects: { version: 0, began: true } })
    expect(lost.quality).toContainEqual({
      rule: 'table_restarted',
      severity: 'warn',
      checked: 1,
      failed: 1,
      detail: 'orders was lost or damaged as well (TABLE_LOST) and began again',
    })
    expect(await refinery.refine(await next(3))).toMatchObject({
      output: { outcome: 'already-committed', id: knownAfter(lost.output).id, began: true },
    })
  })

  test.each([
    ['rows that are rejected', { files: { 'a.csv': 'id,score\n3,1\ny,2\n' } }],
    ['nothing to reject', { files: { 'a.csv': 'id,score\n3,1\n' } }],
    ['nothing at all', { files: {} }],
  ])('rejects that are gone are not begun anew by a window with %s', async (_, landing) => {
    await using refinery = await aRefinery()
    const first = await refinery.refineFiles(scores, { files: { 'a.csv': 'id,score\n1,1\nx,2\n' } })
    const expectedRejects = rejectsAfter(first.output)
    const folder = `${refinery.directory}/lake/refined/shop/_rejects/orders`
    const next = { ...(await refinery.land(scores, { ...landing, day: 2 })), expectedRejects }
    const lost = async (code: string) =>
      await expect(refinery.refine(next)).rejects.toMatchObject({
        code,
        retryable: false,
        message: expect.stringMatching(/path=refined\/shop\/_rejects\/orders.*cinelake rebuild DIR orders/),
      })

    for await (const file of glob('**/*.parquet', { cwd: folder })) await rm(`${folder}/${file}`)
    await lost('TABLE_FILES_LOST')
    await rm(folder, { recursive: true })
    await lost('TABLE_LOST')

    // As a rebuild does it: the windows in their order, the first of which begins the tables again.
    const again = await refinery.land(scores, { files: { 'a.csv': 'id,score\n1,1\n' }, generation: 2 })
    const restarted = await refinery.refine({ ...again, restart: true, expectedRejects })
    expect(rejectsAfter(restarted.output)).toMatchObject({ version: 0, began: true })
    const later = await refinery.refine({ ...next, expectedRejects: rejectsAfter(restarted.output) })
    expect(rejectsAfter(later.output)?.id).toBe(rejectsAfter(restarted.output)?.id)
  })

  test('a restart begins rejects that cannot be read again with their table', async () => {
    await using refinery = await aRefinery()
    const landing = { files: { 'a.csv': 'id,score\n1,1\nx,2\n' } }
    const command = await refinery.land(scores, landing)
    await refinery.refine(command)
    await rm(`${refinery.directory}/lake/refined/shop/_rejects/orders/_delta_log`, { recursive: true })
    const again = await refinery.land(scores, { files: { 'a.csv': 'id,score\n3,1\ny,2\n' }, generation: 2 })
    await expect(refinery.refine(again)).rejects.toMatchObject({ code: 'DELTA_LOG_CORRUPT' })

    await refinery.refine({ ...again, restart: true })

    expect(await refinery.rowsOf('_rejects/orders')).toHaveLength(1)
  })

  test('a worker that is told to stop commits nothing and may begin again', async () => {
    await using refinery = await aRefinery()
    const command = await refinery.land(scores, { files: { 'a.csv': 'id,score\n1,1\n' } })
    await expect(refinery.refine(command, AbortSignal.abort())).rejects.toBeInstanceOf(CancelledError)
    expect(await refinery.rowsOf('orders')).toEqual([])
    expect((await refinery.refine(command)).output).toMatchObject({ outcome: 'committed' })
  })

  test.each([0, 1, 2])('a process that dies after %i commits is made good by the next attempt', async (commitCount) => {
    let left = commitCount
    const wrapLake = (lake: Lake): Lake => ({
      ...lake,
      async putIfAbsent(path, content, options) {
        if (path.includes('_delta_log') && left-- === 0) throw new Error('the process dies here')
        return await lake.putIfAbsent(path, content, options)
      },
    })
    await using refinery = await aRefinery({ wrapLake })
    await using untroubled = await aRefinery()
    const landing = { files: { 'a.csv': 'id,score\n1,1\nx,1\n1,2\n2,3\n' } }
    const command = await refinery.land(scores, landing)
    const first = await refinery.refine(command).catch((error: Error) => error.message)
    const second = await refinery.refine(command)
    const expected = await untroubled.refineFiles(scores, landing)
    expect(first === 'the process dies here').toBe(commitCount < 2)
    expect({ ...second, output: undefined }).toEqual({ ...expected, output: undefined })
    expect(second.output).toMatchObject({ version: 0, outcome: commitCount === 2 ? 'already-committed' : 'committed' })
    for (const table of ['orders', '_rejects/orders'])
      expect(await refinery.rowsOf(table)).toEqual(await untroubled.rowsOf(table))
  })

  test('two workers with the same command have the effect of one', async () => {
    await using refinery = await aRefinery()
    const command = await refinery.land(scores, { files: { 'a.csv': 'id,score\n1,1\nx,1\n' } })
    const outcomes = await Promise.allSettled([refinery.refine(command), refinery.refine(command)])
    expect(outcomes.some(({ status }) => status === 'fulfilled')).toBe(true)
    const reasons = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []))
    expect(reasons).toEqual(reasons.map(() => expect.objectContaining({ retryable: true })))
    await refinery.refine(command)
    expect(await refinery.rowsOf('orders')).toHaveLength(1)
    expect(await refinery.rowsOf('_rejects/orders')).toHaveLength(1)
  })
})

test('whatever lands, every record is accounted for, and the rejects hold their text', async () => {
  await using refinery = await aRefinery()
  const dirt = fc.string({
    unit: fc.constantFrom('1', '2', '3', 'x', ',', '"', ' ', '.', '%', 'é', '\n', '\r\n', ';'),
    maxLength: 50,
  })
  let run = 0
  await fc.assert(
    fc.asyncProperty(fc.array(dirt, { minLength: 1, maxLength: 3 }), async (contents) => {
      const dataset = { ...scores, name: `dirty_${run++}`, reading: { header: true, nulls: [], delimiter: ',' } }
      const files = Object.fromEntries(contents.map((content, index) => [`${index}.csv`, `id,score\n${content}`]))
      const { balance, rejects = {} } = await refinery.refineFiles(dataset, { files })
      const kept = (await refinery.rowsOf(`_rejects/${dataset.name}`)) as { file: string; line: number; raw: string }[]
      const rows = await refinery.rowsOf(dataset.name)
      expect(balance).toMatchObject({ out: rows.length, rejected: kept.length })
      expect(balance.in).toBe(balance.out + balance.rejected + balance.duplicates)
      expect(Object.values(rejects).reduce((sum, count) => sum + count, 0)).toBe(balance.rejected)
      for (const { file, line, raw } of kept) {
        const text = (files[file] ?? '')
          .split(/\r\n|\n|\r/)
          .slice(line - 1)
          .join('\n')
        expect(text.startsWith(raw.replaceAll('\r\n', '\n'))).toBe(true)
      }
    }),
    { numRuns: 25 },
  )
})

describe('a key that is appended once more', () => {
  const events = aDataset({
    columns: [id, aColumn('kind')],
    contract: { primaryKey: ['id'] },
    mode: 'append',
    name: 'events',
    sourceDataset: 'events',
  })
  const failure = async (work: Promise<unknown>) =>
    await work.then(
      () => undefined,
      (error: unknown) => error as { readonly code: string; readonly message: string },
    )

  test('fails the task before anything is committed, with an example, both windows and files, and the way back', async () => {
    await using refinery = await aRefinery()
    await refinery.refineFiles(events, { day: 7, files: { 'events_07.csv': 'id,kind\n1,a\n2,b\n' } })
    const failed = await failure(
      refinery.refineFiles(events, { day: 8, files: { 'events_08.csv': 'id,kind\n3,c\n2,b\n1,a\n' } }),
    )

    expect(failed).toMatchObject({ code: 'REFINE_KEY_REPEATED' })
    expect(failed?.message).toMatch(
      /count=2 file=events_08\.csv row=3\]: .* got id=1 in events_08\.csv and before in window 2026-03-07 \(events_07\.csv\)/,
    )
    expect(failed?.message).toContain('cinelake run DIR --window 2026-03-08 --select shop/events+')
    expect(await valuesOf(refinery, 'events')).toHaveLength(2)
  })

  test('is fine once the window landed again without it, and so are the windows after it', async () => {
    await using refinery = await aRefinery()
    await refinery.refineFiles(events, { day: 7, files: { 'a.csv': 'id,kind\n1,a\n' } })
    await failure(refinery.refineFiles(events, { day: 8, files: { 'a.csv': 'id,kind\n1,a\n' } }))
    await refinery.refineFiles(events, { day: 9, files: { 'a.csv': 'id,kind\n9,z\n' } })
    await refinery.refineFiles(events, { day: 8, generation: 2, files: { 'a.csv': 'id,kind\n8,y\n' } })

    expect((await valuesOf(refinery, 'events')).map((row) => row['id'])).toEqual([1, 8, 9])
  })

  test('of a window that lands again is no other row', async () => {
    await using refinery = await aRefinery()
    await refinery.refineFiles(events, { day: 7, files: { 'a.csv': 'id,kind\n1,a\n' } })
    await refinery.refineFiles(events, { day: 7, generation: 2, files: { 'a.csv': 'id,kind\n1,b\n2,c\n' } })

    expect(await valuesOf(refinery, 'events')).toEqual([
      { id: 1, kind: 'b' },
      { id: 2, kind: 'c' },
    ])
  })

  test('that is personal data is not told: file and row are', async () => {
    await using refinery = await aRefinery()
    const people = {
      ...events,
      contract: {
        ...events.contract,
        primaryKey: ['email'],
        columns: [aColumn('email', { required: true, personal: { allowedIn: ['refined'] } })],
      },
    }
    await refinery.refineFiles(people, { day: 1, files: { 'a.csv': 'email\nann@example.org\n' } })
    const failed = await failure(
      refinery.refineFiles(people, { day: 2, files: { 'b.csv': 'email\nbob@example.org\nann@example.org\n' } }),
    )

    expect(failed?.message).toMatch(/file=b\.csv row=2\]/)
    expect(failed?.message).not.toContain('ann@')
  })

  test('that another window commits meanwhile is seen: the commit is based on what was looked at', async () => {
    await using refinery = await aRefinery()
    await refinery.refineFiles(events, { day: 1, files: { 'a.csv': 'id,kind\n1,a\n' } })
    const commands = await Promise.all(
      [2, 3].map((day) => refinery.land(events, { day, files: { 'a.csv': 'id,kind\n5,a\n' } })),
    )
    const outcomes = await Promise.allSettled(commands.map((command) => refinery.refine(command)))

    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect((await valuesOf(refinery, 'events')).map((row) => row['id'])).toEqual([1, 5])
  })
})

describe('a table that begins again', () => {
  test.each(['merge', 'append', 'snapshot'] as const)(
    '%s: has the rows of the window alone, under the new text',
    async (mode) => {
      await using refinery = await aRefinery()
      const before = aDataset({ columns: [id, score], contract: { primaryKey: ['id'] }, mode })
      await refinery.refineFiles(before, { day: 1, files: { 'a.csv': 'id,score\n1,8.7\n' } })
      await refinery.refineFiles(before, { day: 2, files: { 'a.csv': 'id,score\n2,1.0\n' } })
      const after = { ...before, contract: { ...before.contract, columns: [id, aColumn('score')] } }
      const command = await refinery.land(after, { day: 1, generation: 2, files: { 'a.csv': 'id,score\n1,8.7\n' } })

      const outcome = await refinery.refine({ ...command, restart: true })
      await refinery.refineFiles(after, { day: 2, generation: 2, files: { 'a.csv': 'id,score\n2,1.0\n' } })
      const repeated = await refinery.refine({ ...command, restart: true })

      expect(outcome.output).toMatchObject({ outcome: 'committed', version: 2 })
      expect(repeated.output).toMatchObject({ outcome: 'already-committed', version: 2 })
      const rows =
        mode === 'snapshot'
          ? [{ id: 2, score: '1.0' }]
          : [
              { id: 1, score: '8.7' },
              { id: 2, score: '1.0' },
            ]
      expect(await valuesOf(refinery)).toEqual(rows)
    },
  )

  test('need not be readable, nor its rejects', async () => {
    await using refinery = await aRefinery()
    const merged = { ...scores, mode: 'merge' as const }
    const landing = { day: 1, files: { 'a.csv': 'id,score\n1,8.7\nx,1\n' } }
    await refinery.refineFiles(merged, landing)
    for (const table of ['refined/shop/orders', 'refined/shop/_rejects/orders']) {
      await refinery.lake.put(`${table}/_delta_log/00000000000000000000.json`, '{"add":{')
    }
    const command = await refinery.land(merged, { ...landing, generation: 2 })

    await refinery.refine({ ...command, restart: true })

    expect(await valuesOf(refinery)).toEqual([{ id: 1, score: '8.7' }])
    expect(await refinery.rowsOf('_rejects/orders')).toHaveLength(1)
  })
})
