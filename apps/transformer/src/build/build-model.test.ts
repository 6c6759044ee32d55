// @module-tag slow: takes long
import type { TaskOutcome } from '@cinelake/bus'
import type { CheckedModel } from '@cinelake/pipeline'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { aModel } from './a-model.fixture.ts'
import { given, orders, type Place } from './build.fixture.ts'

describe('materializations', () => {
  test('table: the result of each window replaces the one before', async () => {
    await using place = await given(aModel())

    expect(await place.run({ day: 1, orders: orders([1, 10], [2, 20]) })).toMatchObject({
      balance: { unit: 'rows', in: 2, out: 2, rejected: 0, duplicates: 0 },
      output: { kind: 'table', table: 'sales', version: 0, outcome: 'committed' },
    })
    await place.run({ day: 2, orders: orders([2, 25]) })

    expect(await place.sales()).toEqual(['2 25'])
  })

  test('partitions: those that the result has rows of are replaced, the others stay', async () => {
    const model = aModel({ materialization: 'partitions', partitionBy: ['id'], key: [] })
    await using place = await given(model)
    await place.run({ day: 1, orders: orders([1, 10], [2, 20], [2, 21]) })

    await place.run({ day: 2, orders: orders([2, 25], [3, 30]) })

    expect(await place.sales()).toEqual(['1 10', '2 25', '3 30'])
  })

  test('partitions: one whose rows are all rejected now is emptied', async () => {
    const rule = { name: 'positive', severity: 'error' as const, expression: 'amount > 0' }
    const model = aModel({ materialization: 'partitions', partitionBy: ['id'], key: [], rowRules: [rule] })
    await using place = await given(model)
    await place.run({ day: 1, orders: orders([1, 10], [2, 20]) })

    await place.run({ day: 2, orders: orders([2, -1]) })

    expect(await place.sales()).toEqual(['1 10'])
  })

  test('a row without a value in the key fails the build, by the column and the number of such rows', async () => {
    const sql = 'SELECT nullif(id, 2) AS id, amount FROM orders'
    await using place = await given(aModel({ sql }))

    const build = place.run({ day: 1, orders: orders([1, 10], [2, 20], [2, 30]) })

    await expect(build).rejects.toMatchObject({
      code: 'BUILD_RULE_FAILED',
      message: expect.stringContaining(
        'rule=key(id): a value in every row]: expected every row to keep it, got 2 of 3',
      ),
    })
  })

  test('merge: rows replace those with their key, or are added', async () => {
    await using place = await given(aModel({ materialization: 'merge' }))
    await place.run({ day: 1, orders: orders([1, 10], [2, 20]) })

    await place.run({ day: 2, orders: orders([2, 25], [3, 30]) })

    expect(await place.sales()).toEqual(['1 10', '2 25', '3 30'])
  })

  test('history: every state is kept with the windows that it was so in, and a window can be built again', async () => {
    await using place = await given(aModel({ materialization: 'history' }))
    const columns =
      "id || ' ' || amount || ' ' || strftime(valid_from, '%d') || '-' || coalesce(strftime(valid_to, '%d'), '')"
    await place.run({ day: 1, orders: orders([1, 10], [2, 20]) })
    await place.run({ day: 2, orders: orders([2, 99]) })

    await place.run({ day: 2, orders: orders([2, 25], [3, 30]), generation: 2 })

    expect(await place.sales(columns)).toEqual(['1 10 01-02', '2 20 01-02', '2 25 02-', '3 30 02-'])
    expect(await place.sales('is_current')).toEqual(['false', 'false', 'true', 'true'])
  })

  test('history: rows whose state stays the same stay in their files', async () => {
    await using place = await given(aModel({ materialization: 'history' }))
    await place.run({ day: 1, orders: orders([1, 10]) })
    const [first = ''] = await place.files()
    await place.run({ day: 2, orders: orders([1, 10], [2, 20], [3, 30]) })
    const [second = ''] = (await place.files()).filter((file) => file !== first)

    await place.run({ day: 3, orders: orders([1, 10], [2, 21]) })
    const third = await place.files()
    expect(third).toContain(first)
    expect(third).not.toContain(second)
    await place.run({ day: 4, orders: orders([1, 10], [2, 21]) })

    expect((await place.files()).toSorted()).toEqual(third.toSorted())
    expect(await place.sales("id || ' ' || amount || ' ' || is_current")).toEqual([
      '1 10 true',
      '2 20 false',
      '2 21 true',
      '3 30 false',
    ])
  })
})

describe('SQL that fails on the data', () => {
  test('is told with its place in the file of the model, whatever is around it when it runs', async () => {
    const sql = `SELECT id, amount,
  CASE WHEN :window_start > TIMESTAMPTZ '2000-01-01' THEN CAST(state AS INTEGER) END AS code
FROM (SELECT *, 'é' || id AS state FROM orders)`
    const columns = [...aModel().columns, { name: 'code', type: 'INTEGER' }]
    await using place = await given(aModel({ sql, columns, begin: { line: 5, column: 1 } }))

    await expect(place.run({ day: 1, orders: orders([1, 10]) })).rejects.toMatchObject({
      code: 'ENGINE_SQL_FAILED',
      message: expect.stringMatching(
        /^SQL failed on the data \[kind=Conversion in=models\/sales\.sql:6:59\]: .*\(1 of 1 rows\); .*TRY_CAST$/,
      ),
      context: { in: 'models/sales.sql:6:59' },
    })
  })

  test.each([
    [
      'a common table expression',
      'WITH o AS (SELECT id, amount, CAST(s AS INTEGER) AS n FROM (SELECT *, x || id AS s FROM orders)) SELECT id, amount FROM o WHERE n > 0',
      '(2 of 3 rows)',
    ],
    [
      'a subquery over one',
      'WITH o AS (SELECT *, x || id AS s FROM orders) SELECT id, amount FROM (SELECT id, amount, CAST(s AS INTEGER) AS n FROM o WHERE id > 1) WHERE n > 0',
      '(1 of 2 rows)',
    ],
    [
      'what is summed',
      'SELECT id, sum(amount + CAST(x || id AS INTEGER)) AS amount FROM orders GROUP BY id',
      '(2 of 3 rows)',
    ],
  ])('says how many rows have such a value: in %s', async (_where, query, words) => {
    const sql = query.replaceAll('x || id', "CASE WHEN id = 3 THEN '3' ELSE 'x' || id END")
    await using place = await given(aModel({ sql }))

    const failed = place.run({ day: 1, orders: orders([1, 10], [2, 20], [3, 30]) })

    await expect(failed).rejects.toMatchObject({ code: 'ENGINE_SQL_FAILED', message: expect.stringContaining(words) })
  })

  test('counts no rows where it is groups that are converted', async () => {
    const sql = "SELECT id, CAST(min(amount) || 'x' AS DECIMAL(12,2)) AS amount FROM orders GROUP BY id"
    await using place = await given(aModel({ sql }))

    await expect(place.run({ day: 1, orders: orders([1, 10]) })).rejects.toMatchObject({
      code: 'ENGINE_SQL_FAILED',
      message: expect.not.stringContaining(' rows)'),
    })
  })

  test('in a rule is told with the file of its model, and the place where that is known', async () => {
    const rule = { name: 'odd', severity: 'warn' as const, expression: "CAST('x' || id AS INTEGER) > 0" }
    await using place = await given(aModel({ rowRules: [rule] }))

    await expect(place.run({ day: 1, orders: orders([1, 10]) })).rejects.toMatchObject({
      code: 'ENGINE_SQL_FAILED',
      context: { in: 'models/sales.sql' },
    })
    const total = { operator: '>' as const, values: [0] }
    const tableRules = [
      {
        name: 't',
        severity: 'fail' as const,
        query: "SELECT sum(1)\nFROM {table} WHERE CAST('x' || id AS INTEGER) > 0",
        expect: total,
        begin: { line: 9, column: 5 },
      },
    ]
    await using other = await given(aModel({ tableRules }))
    await expect(other.run({ day: 1, orders: orders([1, 10]) })).rejects.toMatchObject({
      context: { in: 'models/sales.sql:10:24' },
    })
  })
})

describe('a changed SELECT', () => {
  const wider = [
    { name: 'id', type: 'BIGINT' },
    { name: 'total', type: 'DECIMAL(12,2)' },
  ]
  const sql = 'SELECT id, amount AS total FROM orders'
  const renamed = { columns: wider, sql, renamedFrom: { total: ['amount'] } }

  test.each(['merge', 'partitions', 'history'] as const)(
    '%s: takes its rows along under new names and types',
    async (materialization) => {
      const model = aModel({
        materialization,
        ...(materialization === 'partitions' && { partitionBy: ['id'], key: [] }),
      })
      await using place = await given(model)
      await place.run({ day: 1, orders: orders([1, 10], [2, 20]) })
      await place.become({ ...model, ...renamed })

      await place.run({ day: 2, orders: orders([1, 10], [2, 25]) })

      const current = materialization === 'history' ? " || ' ' || is_current" : ''
      expect(await place.sales(`id || ' ' || total${current}`)).toEqual(
        materialization === 'history' ? ['1 10.00 true', '2 20.00 false', '2 25.00 true'] : ['1 10.00', '2 25.00'],
      )
    },
  )

  test('is refused where it would lose a column of rows that stay, and takes what a word says', async () => {
    const model = aModel({ materialization: 'merge' })
    await using place = await given(model)
    await place.run({ day: 1, orders: orders([1, 10], [2, 20]) })
    const fewer = { ...model, columns: [{ name: 'id', type: 'INTEGER' }], sql: 'SELECT id FROM orders' }
    await place.become(fewer)

    await expect(place.run({ day: 2, orders: orders([3, 1]) })).rejects.toMatchObject({
      code: 'CONTRACT_CHANGE_LOSSY',
      message: expect.stringMatching(/column amount: removes the column with the values of 2 of 2 rows/),
    })
    await place.become({ ...fewer, dropped: ['amount'] })
    await place.run({ day: 2, orders: orders([3, 1]), generation: 2 })

    expect(await place.sales('id')).toEqual(['1', '2', '3'])
  })

  test('table: makes the result again as a whole', async () => {
    const model = aModel()
    await using place = await given(model)
    await place.run({ day: 1, orders: orders([1, 10], [2, 20]) })
    await place.become({ ...model, columns: [{ name: 'id', type: 'INTEGER' }], sql: 'SELECT id FROM orders' })

    await place.run({ day: 2, orders: orders([3, 1]) })

    expect(await place.sales('id')).toEqual(['3'])
  })
})

describe('a model that reads something besides its inputs is not run, whatever checked it before', () => {
  test.each<[string, Partial<CheckedModel>]>([
    ['a file', { sql: `SELECT 1 AS id, 2 AS amount FROM "read_text"('/etc/hostname')` }],
    ['a file of the lake', { sql: `SELECT 1 AS id, 2 AS amount FROM "glob"('**')` }],
    ['a log', { sql: `SELECT 1 AS id, 2 AS amount FROM enable_logging('QueryLog')` }],
    ['a table that is no input', { sql: 'SELECT 1 AS id, 2 AS amount FROM duckdb_settings' }],
    ['chance', { sql: 'SELECT id, ("random"() * 10)::INTEGER AS amount FROM orders' }],
    ['a row for a message', { sql: 'SELECT id, error(amount::VARCHAR)::VARCHAR::INTEGER AS amount FROM orders' }],
    ['a file, for its number of rows', { rowsIn: `SELECT count(*) FROM main."READ_TEXT"('/etc/hostname')` }],
    [
      'the clock, in a rule',
      { rowRules: [{ name: 'r', severity: 'error', expression: '"now"() > TIMESTAMPTZ \'2020-01-01\'' }] },
    ],
    [
      'a file, in a rule',
      {
        tableRules: [
          {
            name: 'r',
            severity: 'fail',
            query: "SELECT count(*) FROM {table}, '/etc/hostname'",
            expect: { operator: '>', values: [0] },
          },
        ],
      },
    ],
  ])('%s', async (_, fields) => {
    await using place = await given(aModel(fields))

    await expect(place.run({ day: 1, orders: orders([1, 10]) })).rejects.toMatchObject({
      code: 'ENGINE_SQL_REFUSED',
      retryable: false,
    })
    expect(await place.exists('sales')).toBe(false)
  })
})

describe('text with NUL, which no database takes,', () => {
  const columns = [
    { name: 'id', type: 'INTEGER' },
    { name: 'amount', type: 'INTEGER' },
    { name: 'label', type: 'VARCHAR' },
  ]
  const sql = "SELECT id, amount, CASE WHEN id = 2 THEN 'a' || chr(0) ELSE 'b' END AS label FROM orders"

  test('rejects its row where the model rejects rows', async () => {
    const rule = { name: 'positive', severity: 'error' as const, expression: 'id > 0' }
    await using place = await given(aModel({ columns, sql, rowRules: [rule] }))

    const outcome = await place.run({ day: 1, orders: orders([1, 10], [2, 20]) })

    expect(outcome).toMatchObject({ balance: { in: 2, out: 1, rejected: 1 }, rejects: { 'type(label)': 1 } })
    expect(await place.sales('label')).toEqual(['b'])
  })

  test('fails a model that rejects none, which names the column and keeps the table', async () => {
    await using place = await given(aModel({ columns, sql }))

    await expect(place.run({ day: 1, orders: orders([1, 10], [2, 20]) })).rejects.toMatchObject({
      code: 'BUILD_RULE_FAILED',
      message: expect.stringMatching(/model=sales rule=type\(label\).*NUL.*in label, got 1 rows/),
    })
  })
})

describe('a table that begins again', () => {
  test.each(['table', 'partitions', 'merge', 'history'] as const)(
    '%s: has the result of the window alone, of the inputs that it pins, and goes on from there',
    async (materialization) => {
      const partitionBy = materialization === 'partitions' ? ['id'] : []
      await using place = await given(aModel({ materialization, partitionBy, usesWindow: true }))
      const first = await place.command({ day: 1, orders: orders([1, 10], [2, 20]) })
      await place.build(first)
      await place.run({ day: 2, orders: orders([3, 30]) })

      const again = { ...first, generation: 2, restart: true }
      expect((await place.build(again)).output).toMatchObject({ outcome: 'committed', version: 2 })
      expect(await place.sales()).toEqual(['1 10', '2 20'])
      await place.run({ day: 2, orders: orders([2, 25]), generation: 2 })
      expect((await place.build(again)).output).toMatchObject({ outcome: 'already-committed', version: 2 })

      const after = {
        table: ['2 25'],
        partitions: ['1 10', '2 25'],
        merge: ['1 10', '2 25'],
        history: ['1 10', '2 20', '2 25'],
      }
      expect(await place.sales()).toEqual(after[materialization])
    },
  )
})

describe('once in effect', () => {
  test.each(['table', 'partitions', 'merge', 'history'] as const)(
    '%s: a command that is delivered again commits nothing and tells the same',
    async (materialization) => {
      const partitionBy = materialization === 'partitions' ? ['id'] : []
      await using place = await given(aModel({ materialization, partitionBy, usesWindow: true }))
      const first = await place.run({ day: 1, orders: orders([1, 10], [2, 20]) })

      const again = await place.redeliver()

      expect(again).toEqual({ ...first, output: { ...first.output, outcome: 'already-committed' } })
      expect(await place.sales('id')).toEqual(['1', '2'])
    },
  )

  test('a window that is built late does not put back what a later window knew', async () => {
    const model = aModel({ materialization: 'partitions', partitionBy: ['id'], key: [], usesWindow: true })
    await using place = await given(model)
    const late = await place.command({ day: 1, orders: orders([1, 10]) })
    await place.run({ day: 2, orders: orders([1, 11], [2, 20]) })

    expect(outcomeOf(await place.build(late))).toBe('unchanged')
    expect(await place.sales()).toEqual(['1 11', '2 20'])
  })

  test('rejects of a try that read older inputs are replaced by those of the one that commits', async () => {
    const rowRules = [{ name: 'positive', severity: 'error' as const, expression: 'amount > 0' }]
    await using place = await given(aModel({ rowRules, usesWindow: true, materialization: 'merge' }))
    const late = await place.command({ day: 1, orders: orders([1, -1], [2, 20]) })
    place.failNextCommitOf('refined/shop/sales/')
    await expect(place.build(late)).rejects.toThrow('killed')
    await place.run({ day: 2, orders: orders([1, 11], [2, 20]) })

    expect(await place.build(late)).toMatchObject({ balance: { in: 2, out: 2, rejected: 0 } })
    expect(await place.rejects()).toEqual([])
  })

  test('two workers with one command commit once', async () => {
    await using place = await given(aModel({ materialization: 'merge' }))
    await place.run({ day: 1, orders: orders([1, 10]) })
    const command = await place.command({ day: 2, orders: orders([1, 11], [2, 20]) })

    const outcomes = await Promise.allSettled([place.build(command), place.build(command), place.build(command)])

    const committed = outcomes.filter((one) => one.status === 'fulfilled' && outcomeOf(one.value) === 'committed')
    expect(committed).toHaveLength(1)
    const failures = outcomes.flatMap((one) => (one.status === 'rejected' ? [String(one.reason.code)] : []))
    expect(failures.filter((code) => code !== 'DELTA_CONFLICT')).toEqual([])
    expect(outcomeOf(await place.build(command))).toBe('already-committed')
    expect(await place.sales()).toEqual(['1 11', '2 20'])
  })

  test('a worker that dies between the two commits is followed by one that ends with the same tables', async () => {
    const rule = { name: 'positive', severity: 'error' as const, expression: 'amount > 0' }
    const model = aModel({ rowRules: [rule] })
    await using whole = await given(model)
    const expected = await whole.run({ day: 1, orders: orders([1, 10], [2, -1]) })
    await using place = await given(model)
    place.failNextCommitOf('refined/shop/sales/')
    await expect(place.run({ day: 1, orders: orders([1, 10], [2, -1]) })).rejects.toThrow('killed')
    expect(await place.rejects()).toHaveLength(1)

    const repeated = await place.redeliver()
    const rejects = { version: 0, id: expect.any(String) }
    expect(repeated).toEqual({ ...expected, output: { ...expected.output, id: expect.any(String), rejects } })
    expect(await place.sales()).toEqual(await whole.sales())
    expect(await place.rejects()).toEqual(await whole.rejects())
  })

  test('the same inputs on the next day make no new version', async () => {
    await using place = await given(aModel())
    const command = await place.command({ day: 1, orders: orders([1, 10]) })
    await place.build(command)

    const next = await place.build({ ...command, run: 'shop@2026-03-02' })

    expect(next).toMatchObject({ balance: { in: 0, out: 0 }, output: { version: 0, outcome: 'unchanged' } })
  })

  test('an older window does not put the table back', async () => {
    await using place = await given(aModel({ usesWindow: true }))
    await place.run({ day: 2, orders: orders([1, 20]) })

    expect(outcomeOf(await place.run({ day: 1, orders: orders([1, 10]) }))).toBe('superseded')
    expect(await place.sales()).toEqual(['1 20'])
  })
})

describe('what is known of the table', () => {
  const gone = async (place: Place) => await rm(join(place.directory, 'lake/refined/shop/sales'), { recursive: true })

  test.each(['table', 'merge', 'partitions', 'history'] as const)(
    '%s: gone, it is not made anew',
    async (materialization) => {
      const partitionBy = materialization === 'partitions' ? ['id'] : []
      await using place = await given(aModel({ materialization, partitionBy, usesWindow: true }))
      const { output } = await place.run({ day: 1, orders: orders([1, 10]) })
      const next = { ...(await place.command({ day: 2, orders: orders([2, 20]) })), expected: expectedAfter(output) }
      await gone(place)

      await expect(place.build(next)).rejects.toMatchObject({
        code: 'TABLE_LOST',
        retryable: false,
        message: expect.stringMatching(/table=sales .*version 0 .*got no table.*`cinelake rebuild DIR sales`/),
      })
      expect(await place.exists('sales')).toBe(false)

      const { output: rebuilt } = await place.build({ ...next, restart: true, generation: 2 })
      expect(rebuilt).toMatchObject({ version: 0, began: true, outcome: 'committed' })
      expect(await place.sales()).toEqual(['2 20'])
    },
  )

  test('an input that began a new life is built from again, though its version has the same number', async () => {
    await using place = await given(aModel())
    const first = await place.command({ day: 1, orders: orders([1, 10]) })
    await place.build(first)
    await rm(join(place.directory, 'lake/refined/shop/orders'), { recursive: true })
    const next = await place.command({ day: 2, orders: orders([1, 11]) })
    expect(next.inputs).toMatchObject([{ version: 0 }])

    expect(outcomeOf(await place.build(next))).toBe('committed')
    expect(await place.sales()).toEqual(['1 11'])
    // What comes late and pins the life before is made from the one that took its place.
    expect(outcomeOf(await place.build({ ...first, run: 'late' }))).toBe('unchanged')
    await rm(join(place.directory, 'lake/refined/shop/sales'), { recursive: true })
    await expect(place.build({ ...first, run: 'late' })).rejects.toMatchObject({ code: 'TABLE_REPLACED' })
  })

  test('a restart that is delivered again changes nothing', async () => {
    await using place = await given(aModel({ materialization: 'merge' }))
    await place.run({ day: 1, orders: orders([1, 10]) })
    const command = { ...(await place.command({ day: 2, orders: orders([2, 20]) })), restart: true }
    const first = await place.build(command)
    await place.run({ day: 3, orders: orders([3, 30]) })

    const again = await place.build(command)

    expect(again.output).toEqual({ ...first.output, outcome: 'already-committed' })
    expect(await place.sales()).toEqual(['2 20', '3 30'])
  })
})

describe('rejects and rules', () => {
  const withReject = aModel({
    sql: "SELECT id, amount, CASE WHEN amount IS NULL THEN 'no_amount' END AS _reject FROM orders",
    rowRules: [
      { name: 'positive', severity: 'error', expression: 'amount > 0' },
      { name: 'small', severity: 'error', expression: 'amount < 100' },
      { name: 'usual', severity: 'warn', expression: 'amount < 50' },
    ],
  })

  test('rows that the model or a rule rejects are kept apart with the reason and the row', async () => {
    await using place = await given(withReject)

    const outcome = await place.run({ day: 1, orders: orders([1, 10], [2, null], [3, -5], [4, 200], [5, 60]) })

    expect(outcome).toMatchObject({
      balance: { in: 5, out: 2, rejected: 3, duplicates: 0 },
      rejects: { no_amount: 1, positive: 1, small: 1 },
      quality: [
        { rule: 'positive', severity: 'error', checked: 5, failed: 1 },
        { rule: 'small', severity: 'error', checked: 5, failed: 1 },
        { rule: 'usual', severity: 'warn', checked: 5, failed: 1 },
        { rule: 'unique(id)', severity: 'fail', checked: 5, failed: 0 },
      ],
    })
    expect(await place.sales()).toEqual(['1 10', '5 60'])
    const common = {
      window_label: '2026-03-01',
      run: 'shop@2026-03-01',
      task: 'build sales',
      file: 'sales',
      line: null,
    }
    expect(await place.rejects()).toMatchObject([
      { ...common, rule: 'no_amount', rules: ['no_amount'], raw: '{"id":2,"amount":null}' },
      { ...common, rule: 'positive', rules: ['positive'], raw: '{"id":3,"amount":-5}' },
      { ...common, rule: 'small', rules: ['small'], kept: false, raw: '{"id":4,"amount":200}' },
      { ...common, rule: 'usual', rules: ['usual'], kept: true, raw: '{"id":5,"amount":60}' },
    ])
  })

  test('a window that is run again has the rejects of the second time only, none included', async () => {
    await using place = await given(withReject)
    await place.run({ day: 1, orders: orders([1, null], [2, 20]) })
    await place.run({ day: 2, orders: orders([3, null]) })

    await place.run({ day: 2, orders: orders([3, 30]), generation: 2 })

    expect((await place.rejects()).map(({ window_label }) => window_label)).toEqual(['2026-03-01'])
  })

  test.each([
    ['a row', { rowRules: [{ name: 'positive', severity: 'fail' as const, expression: 'amount > 0' }] }, 'positive'],
    [
      'the table',
      {
        tableRules: [
          {
            name: 'enough',
            severity: 'fail' as const,
            query: 'SELECT count(*) FROM {table}',
            expect: { operator: '>=' as const, values: [3] },
          },
        ],
      },
      'enough',
    ],
    ['the key', { sql: 'SELECT 1 AS id, amount FROM orders' }, 'unique(id)'],
  ])('a rule about %s that must hold keeps the result out when it does not', async (_, fields, rule) => {
    await using place = await given(aModel(fields))

    await expect(place.run({ day: 1, orders: orders([1, 10], [2, -20]) })).rejects.toMatchObject({
      code: 'BUILD_RULE_FAILED',
      retryable: false,
      context: { rule },
    })
    expect(await place.exists('sales')).toBe(false)
  })

  describe('the rows that break one', () => {
    const twice = 'SELECT CASE WHEN id < 3 THEN 1 ELSE id END AS id, amount FROM orders'
    const days = [
      { day: 1, orders: orders([1, 10], [2, 20], [3, 30]) },
      { day: 1, orders: orders([1, 10], [3, 30]), generation: 2 },
    ] as const

    test('of the key are rejects until the build succeeds, with an example where the key may be shown', async () => {
      await using place = await given(aModel({ sql: twice, keyMayBeShown: true }))

      await expect(place.run(days[0])).rejects.toMatchObject({
        message: expect.stringMatching(
          /expected each key once, got 2 rows whose key is there again, such as id=1; .*`cinelake rejects sales --window \S+` shows the rows/,
        ),
        quality: [{ rule: 'unique(id)', severity: 'fail', failed: 2 }],
      })
      expect(await place.rejects()).toMatchObject([
        { rule: 'unique(id)', raw: '{"id":1,"amount":10}' },
        { rule: 'unique(id)', raw: '{"id":1,"amount":20}' },
      ])

      await place.run(days[1])
      expect(await place.rejects()).toEqual([])
    })

    test('are told by their number alone where the key may be personal', async () => {
      await using place = await given(aModel({ sql: twice }))

      await expect(place.run(days[0])).rejects.toMatchObject({
        message: expect.stringMatching(/got 2 rows whose key is there again; the table keeps/),
      })
    })

    test('of a rule of severity warn are named, and stay in the table', async () => {
      const rule = { name: 'small', severity: 'warn' as const, expression: 'amount < 15' }
      await using place = await given(aModel({ rowRules: [rule], keyMayBeShown: true }))

      expect(await place.run(days[0])).toMatchObject({
        balance: { in: 3, out: 3, rejected: 0 },
        quality: expect.arrayContaining([
          expect.objectContaining({
            rule: 'small',
            detail: 'expected every row to keep it, got 2 of 3 that do not, such as id=2, id=3',
          }),
        ]),
      })
      expect(await place.rejects()).toMatchObject([
        { rule: 'small', kept: true, raw: '{"id":2,"amount":20}' },
        { rule: 'small', kept: true, raw: '{"id":3,"amount":30}' },
      ])
      expect(await place.sales()).toHaveLength(3)
    })

    test('of a rule of severity fail are rejects beside those of rules of severity error', async () => {
      const rules = [
        { name: 'small', severity: 'fail' as const, expression: 'amount < 25' },
        { name: 'large', severity: 'error' as const, expression: 'amount > 10' },
      ]
      await using place = await given(aModel({ rowRules: rules }))

      await expect(place.run(days[0])).rejects.toMatchObject({ code: 'BUILD_RULE_FAILED' })

      expect(new Set((await place.rejects()).map(({ rule }) => rule))).toEqual(new Set(['large', 'small']))
      expect(await place.exists('sales')).toBe(false)
    })
  })

  test('an inner join that leaves rows out says how many, where no count of rows is demanded', async () => {
    const sql = 'SELECT o.id, o.amount FROM orders o JOIN (SELECT 1 AS id) AS known ON known.id = o.id'
    const lost = expect.objectContaining({ rule: 'rows_joined' })
    const day = { day: 1, orders: orders([1, 10], [2, 20], [3, 30]) }
    await using place = await given(aModel({ sql }))
    await using counted = await given(aModel({ sql, rowsIn: 'SELECT count(*) FROM orders WHERE id = 1' }))
    await using whole = await given(aModel({ sql: sql.replace('SELECT 1', 'SELECT unnest([1, 2, 3])') }))

    expect(await place.run(day)).toMatchObject({
      balance: { in: 1, out: 1 },
      quality: expect.arrayContaining([
        {
          rule: 'rows_joined',
          severity: 'warn',
          checked: 3,
          failed: 0,
          detail: '1 of 3 rows of orders have one of the joined subquery; the inner join leaves the others out',
        },
      ]),
    })
    expect((await counted.run(day)).quality).not.toContainEqual(lost)
    expect((await whole.run(day)).quality).not.toContainEqual(lost)
  })

  test('a join that loses rows breaks the balance, and nothing of it is published', async () => {
    const model = aModel({
      sql: 'SELECT orders.id, orders.amount FROM orders JOIN (SELECT 1 AS id) AS known ON known.id = orders.id',
      rowsIn: 'SELECT count(*) FROM orders',
    })
    await using place = await given(model)

    await expect(place.run({ day: 1, orders: orders([1, 10], [2, 20]) })).rejects.toMatchObject({
      code: 'BALANCE_BROKEN',
      context: { in: 2, out: 1, rejected: 0, duplicates: 0 },
    })
    expect(await place.exists('sales')).toBe(false)
  })
})

test('how `_reject` is spelled makes no difference: validate takes it for what it is in upper case as well', async () => {
  const sql = "SELECT id, amount, CASE WHEN amount IS NULL THEN 'no_amount' END AS _Reject FROM orders"
  await using place = await given(aModel({ sql }))

  const outcome = await place.run({ day: 1, orders: orders([1, 10], [2, null]) })

  expect(outcome).toMatchObject({ balance: { in: 2, out: 1, rejected: 1 }, rejects: { no_amount: 1 } })
})

describe('inputs', () => {
  test('the version that the command pins is read, whatever came after', async () => {
    await using place = await given(aModel())
    const command = await place.command({ day: 1, orders: orders([1, 10]) })
    await place.command({ day: 2, orders: orders([1, 99]) })

    await place.build(command)

    expect(await place.sales()).toEqual(['1 10'])
  })

  test('the window goes into the SQL, and not into texts', async () => {
    const sql =
      "SELECT 1 AS id, CAST(day(:window_start) * 100 + day(:window_end) AS INTEGER) AS amount, ':window_start' AS note"
    const columns = [...aModel().columns, { name: 'note', type: 'VARCHAR' }]
    await using place = await given(aModel({ sql, columns, inputs: [], usesWindow: true }))

    await place.run({ day: 4, orders: orders() })

    expect(await place.sales("amount || ' ' || note")).toEqual(['405 :window_start'])
  })

  test.each([
    ['a table that the command does not name', [], 'BUILD_INPUT_MISSING'],
    ['a table that is not there', [{ table: 'orders', version: 0 }], 'DELTA_VERSION_MISSING'],
    ['a table that is gone', [{ table: 'orders', version: 0, id: 'known' }], 'TABLE_LOST'],
  ])('%s fails the task by name', async (_, inputs, code) => {
    await using place = await given(aModel())
    const command = { ...(await place.command({ day: 1, orders: 'none' })), inputs }

    await expect(place.build(command)).rejects.toMatchObject({ code, message: expect.stringContaining('orders') })
  })

  test('a model that the pipeline does not have fails the task by name', async () => {
    await using place = await given(aModel())
    const command = { ...(await place.command({ day: 1, orders: orders() })), model: 'profits' }

    await expect(place.build(command)).rejects.toMatchObject({
      code: 'BUILD_MODEL_UNKNOWN',
      context: { model: 'profits' },
    })
  })

  test('a result several times as large as the engine’s memory is built', async () => {
    const model = aModel({
      sql: 'SELECT CAST(i AS INTEGER) AS id, CAST(i % 7 AS INTEGER) AS amount, md5(CAST(i AS VARCHAR)) AS text FROM range(2500000) AS r(i)',
      columns: [...aModel().columns, { name: 'text', type: 'VARCHAR' }],
      inputs: [],
    })
    await using place = await given(model, { memoryBytes: 96e6 })

    const outcome = await place.run({ day: 1, orders: orders() })

    expect(outcome.balance).toEqual({ unit: 'rows', in: 2_500_000, out: 2_500_000, rejected: 0, duplicates: 0 })
  })
})

describe('tables of another pipeline', () => {
  const model = aModel({ sql: 'SELECT id, amount FROM "ott.rates" AS rates', inputs: ['ott.rates'] })

  test('are read in their newest version, which further attempts and models of the window read as well', async () => {
    await using place = await given(model)
    await place.writeOther('refined/ott/rates', orders([1, 10]))
    const command = await place.command({ day: 1, orders: 'none' })
    place.failNextCommitOf('refined/shop/sales/')
    await expect(place.build(command)).rejects.toThrow('killed')
    await place.writeOther('refined/ott/rates', orders([1, 11]))

    expect(outcomeOf(await place.build(command))).toBe('committed')
    expect(await place.sales()).toEqual(['1 10'])
    expect(outcomeOf(await place.build({ ...command, generation: 2 }))).toBe('committed')
    expect(await place.sales()).toEqual(['1 11'])
    expect(outcomeOf(await place.build(command))).toBe('already-committed')
    expect(outcomeOf(await place.build(await place.command({ day: 2, orders: 'none' })))).toBe('unchanged')
  })

  test('are found where they were before pipelines had folders of their own', async () => {
    await using place = await given(model)
    await place.writeOther('refined/rates', orders([3, 30]))

    await place.run({ day: 1, orders: 'none' })

    expect(await place.sales()).toEqual(['3 30'])
  })

  test('are waited for where they are not there yet', async () => {
    await using place = await given(model)
    const command = await place.command({ day: 1, orders: 'none' })

    await expect(place.build(command)).rejects.toMatchObject({
      code: 'BUILD_USED_TABLE_MISSING',
      retryable: true,
      message: expect.stringMatching(/expected the pipeline ott to have made rates.*run ott first/),
    })
    await place.writeOther('refined/ott/rates', orders([1, 10]))
    expect(outcomeOf(await place.build(command))).toBe('committed')
  })
})

/** What the run history knows after an output. */
function expectedAfter(output: TaskOutcome['output']) {
  return output.kind === 'table' ? { version: output.version, id: output.id } : undefined
}

function outcomeOf({ output }: TaskOutcome): string {
  return output.kind === 'table' ? output.outcome : output.kind
}
