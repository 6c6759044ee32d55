// @module-tag slow: takes long
import { open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { sharedData } from '@cinelake/testkit'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { XlsxWriter } from '@cinelake/xlsx'
import { aStarter, cinelake } from './testing.fixture.ts'
import { givenFolder } from './try.fixture.ts'

const FILES =
  "  shop:\n    type: files\n    path: DROP\n    datasets:\n      orders: { files: 'orders*' } # every day\n"

const CUSTOMERS = [
  'Order No;Customer E-Mail;Ordered;Total;Paid;Tags;Code;Placed At;State;Note',
  ...Array.from({ length: 40 }, (_, index) => {
    const day = String((index % 28) + 1).padStart(2, '0')
    const tags = ['red|blue', 'blue|green', 'red'][index % 3]
    const total = index === 7 ? 'n/a' : `${index}.${100 + index},5${index % 10}`
    return `${1000 + index};u${index}@example.org;${day}.03.2026;${total};${index % 2 === 0 ? 'yes' : 'no'};${tags};00${index};2026-03-01T10:00:00Z;${['open', 'done'][index % 2]};${index === 3 ? '' : `text ${index}`}`
  }),
].join('\r\n')

describe('files', () => {
  test('that are damaged Parquet are named for it', async () => {
    await using given = await givenFolder(FILES, { 'orders.parquet': 'PAR1\u0015\u0004\u0015\u0010PAR1' })

    const { exitCode, notes } = await given.try('shop/orders', '--write')

    expect(exitCode).not.toBe(0)
    expect(notes).toContain('orders.parquet')
  })

  test('that are a workbook are read as one, whatever they are called', async () => {
    await using given = await givenFolder(FILES)
    await using file = await open(join(given.folder, '../drop/orders.csv'), 'w')
    const workbook = new XlsxWriter(file, ['id'])
    await workbook.add([[{ kind: 'number', text: '1' }]])
    await workbook.end()

    const { exitCode, out } = await given.try('shop/orders')

    expect(out).toContain('XLSX, header from')
    expect(exitCode).toBe(0)
  })

  test('that are no text get no columns', async () => {
    await using given = await givenFolder(FILES, {
      'orders.csv': Buffer.from(Array.from({ length: 999 }, (_, n) => (n * n * 7) >> 3)),
    })

    const { exitCode, out, notes } = await given.try('shop/orders', '--write')

    expect(notes).toContain('got no text; have it sent in such a format')
    expect({ exitCode, out }).toEqual({ exitCode: 2, out: '' })
  })

  test('are looked at, drafted, written, and refined without a reject', async () => {
    await using given = await givenFolder(
      FILES,
      { 'orders.csv': Buffer.from(CUSTOMERS.replaceAll('text', 'tëxt'), 'latin1') },
      { rest: 'serve: [orders]\n' },
    )

    const looked = await given.try('shop/orders')
    const written = await given.try('shop/orders', '--write')
    const validated = await given.validate()
    const run = await given.run()

    expect(looked.out).toContain('windows-1252, delimiter ;')
    expect(looked.out).not.toContain('@example.org')
    expect(looked.out).not.toContain('open')
    expect([written.exitCode, validated.exitCode, run.exitCode]).toEqual([0, 0, 0])
    const { properties } = (await given.contract('orders')).schema[0] ?? { properties: [] }
    expect(properties.map(({ name, logicalType, physicalType }) => [name, physicalType ?? logicalType])).toEqual([
      ['order_no', 'integer'],
      ['customer_e_mail', 'string'],
      ['ordered', 'date'],
      ['total', 'DECIMAL(18,2)'],
      ['paid', 'boolean'],
      ['tags', 'array'],
      ['code', 'string'],
      ['placed_at', 'timestamp'],
      ['state', 'string'],
      ['note', 'string'],
    ])
    expect(properties[0]).toMatchObject({ required: true, primaryKey: true })
    expect(properties[1]).toMatchObject({ classification: 'personal', required: true })
    expect(properties[8]).not.toHaveProperty('quality')
    expect(properties[9]).not.toHaveProperty('required')
    const text = await given.text('pipeline.yaml')
    expect(text).toContain('# By hand.\n')
    expect(text).toContain('# every day')
    expect(parse(text)).toMatchObject({
      sources: {
        shop: {
          datasets: {
            orders: {
              columns: {
                ordered: { formats: ['%d.%m.%Y'] },
                total: { decimal: ',', nulls: ['n/a'] },
                tags: { separators: ['|'] },
              },
            },
          },
        },
      },
      serve: [{ table: 'orders', exclude: ['customer_e_mail'] }],
    })
    expect(run.notes).toContain('refine orders')
    expect(run.notes).not.toContain('rejected')
  })

  test('what is to be done next is said, with the window that was looked at and what analysts may see', async () => {
    await using given = await givenFolder(FILES.replace('orders*', 'orders_{yyyy}-{MM}-{dd}.csv'), {
      'orders_2026-03-01.csv': 'id,email\n1,a@example.org\n',
    })

    const looked = await given.try('shop/orders', '--rows', '7')
    const written = await given.try('shop/orders', '--write')

    expect(looked.out).toContain(`try shop/orders ${given.folder} --rows 7 --write\n`)
    expect(written.out).toContain(`run ${given.folder} --window 2026-03-01\n`)
    expect(written.out).toContain('  - { table: orders, exclude: [email] }\n')
  })

  test('that are merged and seem to have no key are drafted all the same, and told to need one', async () => {
    await using given = await givenFolder(FILES.replace("'orders*' }", "'orders*', mode: merge }"), {
      'orders.csv': 'label,amount\nx,1\nx,1\n',
    })

    const looked = await given.try('shop/orders')
    const written = await given.try('shop/orders', '--write')
    const validated = await given.validate()
    await writeFile(
      join(given.folder, 'contracts/orders.yaml'),
      (await given.text('contracts/orders.yaml')).replace('name: label,', 'name: label, primaryKey: true,'),
    )
    const run = await given.run()

    const told = `No key was found. The dataset cannot run without one: write \`primaryKey: true\` at the columns of ${given.folder}/contracts/orders.yaml\n`
    expect(looked).toMatchObject({ exitCode: 0, out: expect.stringContaining(told) })
    expect(written).toMatchObject({ exitCode: 2, out: expect.stringContaining(told) })
    expect(validated).toMatchObject({ exitCode: 2, out: expect.stringContaining('needs a primary key') })
    expect(run.exitCode).toBe(0)
  })

  test('that are packed are unpacked, and the newest of several is looked at', async () => {
    await using given = await givenFolder(FILES.replace('orders*', 'orders_{yyyy}-{MM}-{dd}.csv.gz'), {
      'orders_2026-03-01.csv.gz': gzipSync('id\n1\n'),
      'orders_2026-03-02.csv.gz': gzipSync('id,name\n1,x\n2,y\n'),
    })

    const { out } = await given.try('shop/orders', '--show-values')

    expect(out).toContain('2 match')
    expect(out).toContain('orders_2026-03-02.csv.gz')
    expect(out).toContain('x · y')
  })

  test('whose contract is there stay as they are unless that is asked for', async () => {
    await using given = await givenFolder(FILES, { 'orders.csv': 'id\n1\n' })

    await given.try('shop/orders', '--write')
    const before = await given.text('contracts/orders.yaml')
    const refused = await given.try('shop/orders', '--write')
    const forced = await given.try('shop/orders', '--write', '--force')

    expect([refused.exitCode, forced.exitCode]).toEqual([2, 0])
    expect(refused.notes).toContain('--force replaces it')
    expect(await given.text('contracts/orders.yaml')).toBe(before)
  })

  test('that are not there are told, as is a dataset that is not', async () => {
    await using given = await givenFolder(FILES)

    const nothing = await given.try('shop/orders')
    const unknown = await given.try('shop/order')

    expect([nothing.exitCode, nothing.notes]).toEqual([1, expect.stringContaining('no file came')])
    expect([unknown.exitCode, unknown.notes]).toEqual([2, expect.stringContaining('one of shop/orders')])
  })

  test.skipIf(sharedData('netflix_titles_nov_2019') === undefined)(
    'of the world are drafted so that they run',
    async () => {
      const folder = sharedData('netflix_titles_nov_2019') ?? ''
      await using given = await givenFolder(FILES.replace('DROP', folder).replace('orders*', '*.csv'))

      const written = await given.try('shop/orders', '--write', '--rows', '10000')
      const run = await given.run()

      expect([written.exitCode, (await given.validate()).exitCode, run.exitCode]).toEqual([0, 0, 0])
      expect(run.notes).not.toContain('rejected')
    },
  )
})

test('a dataset that is added to a pipeline with models is tried, written and run with the others', async () => {
  await using starter = await aStarter()
  await using given = await givenFolder(FILES, { 'invoices_2026-03-01.csv': 'id;total\n1;2,50\n' })
  const { folder, state } = starter
  const flags = ['--source', 'erp', '--path', join(given.folder, '..', 'drop'), '--dataset', 'invoices']

  const added = await cinelake(['add', 'files', folder, ...flags, '--files', 'invoices_{yyyy}-{MM}-{dd}.csv'])
  const written = await cinelake(['try', 'erp/invoices', folder, '--write'])
  const run = await cinelake(['run', folder, '--state', state, '--window', '2026-03-01'])

  expect([added.exitCode, written.exitCode, written.notes]).toEqual([0, 0, ''])
  expect([run.exitCode, run.notes]).toEqual([0, expect.stringContaining('load sales_by_day')])
})
