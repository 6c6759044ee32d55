// @module-tag slow: runs the platform on files of each format
import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import writeXlsxFile from 'write-excel-file/node'
import { parse } from 'yaml'
import { givenFolder } from './try.fixture.ts'

const book = async (name: string) =>
  await readFile(new URL(`../../transformer/src/read-xlsx/files/${name}.xlsx`, import.meta.url))
const text = (value: string) => ({ value, type: String })
const number = (value: number) => ({ value, type: Number })
const dated = (day: string, format = 'yyyy-mm-dd') => ({ value: new Date(day), type: Date, format })
const xlsx = async (rows: readonly (readonly unknown[])[]) => await writeXlsxFile(rows as never).toBuffer()

const days = Array.from({ length: 12 }, (_, index) => `2027-04-${String(index + 1).padStart(2, '0')}`)
const ORDERS = days.map((day, index) => ({
  id: String(index + 1),
  customer: `Somebody${'x'.repeat(index % 5)} of ${index}`,
  day,
  amount: `${index}.${index % 10}5`,
}))
const padded = (rows: readonly (readonly string[])[], widths: readonly number[]) =>
  rows.map((row) => `${row.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join('')}\n`).join('')
const FIELDS = ['id', 'customer', 'day', 'amount'] as const
const cells = ORDERS.map((order) => FIELDS.map((name) => order[name]))

type Case = {
  readonly file: string
  readonly content: () => Promise<string | Uint8Array> | string
  readonly types: Readonly<Record<string, string>>
  /** What `read` says. */
  readonly read?: object
  /** In the draft's words. */
  readonly told: string
  /** Values of the file that its draft must not have. */
  readonly values: readonly string[]
  readonly refined: string
}

const TYPED = { id: 'integer', customer: 'string', day: 'date', amount: 'DECIMAL(18,2)' }

const CASES: Readonly<Record<string, Case>> = {
  'a workbook of openpyxl': {
    file: 'book.xlsx',
    content: async () => await book('openpyxl'),
    types: {
      id: 'integer',
      note: 'string',
      price: 'string',
      day: 'date',
      at: 'timestamp',
      clock: 'time',
      ok: 'boolean',
    },
    told: 'formulas without their value are rejects',
    values: ['4.1', 'plain', '2023-03-15'],
    // A formula that openpyxl does not compute.
    refined: '4 rows, 1 rejected',
  },
  'a workbook of XlsxWriter with merged cells': {
    file: 'book.xlsx',
    content: async () => await book('xlsxwriter'),
    types: {
      id: 'integer',
      note: 'string',
      price: 'string',
      day: 'date',
      at: 'timestamp',
      clock: 'string',
      ok: 'boolean',
    },
    read: { format: 'xlsx', mergedCells: 'fill' },
    told: 'cells are merged: each gets the value of the first',
    values: ['2023-03-15'],
    // A formula without its value, and one that came to an error.
    refined: '4 rows, 2 rejected',
  },
  'a table below a title, with a sum below it': {
    file: 'report.xlsx',
    content: async () =>
      await xlsx([
        [text('Orders of the quarter')],
        [],
        FIELDS.map(text),
        ...ORDERS.map(({ id, customer, day, amount }) => [
          number(Number(id)),
          text(customer),
          dated(day),
          number(Number(amount)),
        ]),
        [text('Total'), null, null, number(71.4)],
      ]),
    types: TYPED,
    read: { format: 'xlsx', skip: 2, footer: ['Total'] },
    told: 'header from',
    values: ['Somebody', '2027-04', 'quarter'],
    refined: '12 rows',
  },
  'a table without a header, beside nothing': {
    file: 'plain.xlsx',
    content: async () =>
      await xlsx(ORDERS.map(({ id, day, amount }) => [number(Number(id)), dated(day), number(Number(amount))])),
    types: { column_1: 'integer', column_2: 'date', column_3: 'DECIMAL(18,2)' },
    read: { format: 'xlsx', header: false },
    told: 'no header, rows from',
    values: ['2027-04'],
    refined: '12 rows',
  },
  'a document whose records are further in, beside others': {
    file: 'export.xml',
    content: () =>
      `<?xml version="1.0"?><export><about><by>me</by><by>you</by></about><list>${ORDERS.map(
        ({ id, customer, day, amount }) =>
          `<order id="${id}"><who><name>${customer}</name></who><day>${day}</day><amount>${amount}</amount>${'<tag>t</tag>'.repeat(Number(id) % 3)}</order>`,
      ).join('\n')}</list></export>`,
    types: { id: 'integer', who_name: 'string', day: 'date', amount: 'DECIMAL(18,2)', tag: 'array' },
    read: { format: 'xml', records: '$.export.list.order' },
    told: 'XML, records at $.export.list.order',
    values: ['Somebody', '2027-04'],
    refined: '12 rows',
  },
  'a document that is one record': {
    file: 'one.xml',
    content: () => '<order><id>7</id><day>2027-04-01</day></order>',
    types: { id: 'integer', day: 'date' },
    read: { format: 'xml', records: '$' },
    told: 'XML, records at $',
    values: ['2027-04'],
    refined: '1 row',
  },
  'lines of one length with columns of blanks': {
    file: 'orders.txt',
    content: () => padded([FIELDS, ...cells], [4, 20, 12, 7]),
    types: TYPED,
    read: { format: 'fixed-width', widths: [4, 20, 12, 7] },
    told: 'text of fixed width, header from line 1 on',
    values: ['Somebody', '2027-04'],
    refined: '12 rows',
  },
  'such lines without a header': {
    file: 'orders.txt',
    content: () => padded(cells, [4, 20, 12, 7]),
    types: { column_1: 'integer', column_2: 'string', column_3: 'date', column_4: 'DECIMAL(18,2)' },
    // Where a field ends among blanks is a guess.
    read: { format: 'fixed-width', widths: [4, 20, 11, 8], header: false },
    told: 'the widths are those of the blanks in these lines',
    values: ['Somebody', '2027-04'],
    refined: '12 rows',
  },
  'lines of other lengths, which stay one column with a word': {
    file: 'orders.txt',
    content: () => padded([FIELDS, ...cells], [4, 20, 12, 0]),
    types: { id_customer_day_amount: 'string' },
    told: 'if their fields have fixed places, `read: { format: fixed-width, widths: […] }`',
    values: ['Somebody', '2027-04'],
    refined: '12 rows',
  },
  'days with a time in lines of one length, which are one column': {
    file: 'times.txt',
    content: () => ORDERS.map(({ day }) => `${day} 10:00:00\n`).join(''),
    types: { column_1: 'timestamp' },
    read: { header: false },
    told: 'one column',
    values: ['2027-04'],
    refined: '12 rows',
  },
}

describe('a draft of a file', () => {
  test.each(Object.entries(CASES))('that is %s has its columns, and runs', async (_, one) => {
    const { file, content, types, read, told, values, refined } = one
    const sources = `  shop: { type: files, path: DROP, datasets: { orders: { files: ${file}, mode: append } } }\n`
    await using given = await givenFolder(sources, { [file]: await content() })

    const tried = await given.try('shop/orders', '--write')

    expect({ exitCode: tried.exitCode, notes: tried.notes }).toEqual({ exitCode: 0, notes: '' })
    expect(tried.out).toContain(told)
    const { schema } = await given.contract('orders')
    const found = (schema[0]?.properties ?? []).map(({ name, physicalType, logicalType }) => [
      name,
      physicalType ?? logicalType,
    ])
    expect(Object.fromEntries(found)).toEqual(types)
    const pipeline = await given.text('pipeline.yaml')
    const { sources: written } = parse(pipeline) as { sources: { shop: { datasets: { orders: { read?: object } } } } }
    expect(written.shop.datasets.orders.read).toEqual(read)
    const all = `${tried.out}${pipeline}${await given.text('contracts/orders.yaml')}`
    for (const value of values) expect(all).not.toContain(value)
    expect(await given.validate()).toMatchObject({ exitCode: 0 })
    const done = await given.run()
    expect(done).toMatchObject({ exitCode: 0 })
    expect(/refine orders .* {2}(\d.*)$/m.exec(done.notes)?.[1]).toBe(refined)
  })

  test('with several worksheets asks for one by their names, and takes the one that is named', async () => {
    const content = await writeXlsxFile([
      { sheet: 'Plan', data: [FIELDS.map(text), [number(1), text('a'), dated('2026-03-01'), number(1.5)]] },
      { sheet: 'Actual', data: [[text('id')], [number(1)], [number(2)]] },
    ] as never).toBuffer()
    const sources = (read: string) =>
      `  shop: { type: files, path: DROP, datasets: { orders: { files: book.xlsx, mode: append${read} } } }\n`
    await using unsaid = await givenFolder(sources(''), { 'book.xlsx': content })
    await using said = await givenFolder(sources(', read: { format: xlsx, sheet: Actual }'), { 'book.xlsx': content })

    const asked = await unsaid.try('shop/orders')
    const drafted = await said.try('shop/orders', '--write')

    expect(asked).toMatchObject({ exitCode: 2, out: '' })
    expect(asked.notes).toContain('got `Plan`, `Actual`; name one in pipeline.yaml')
    expect(drafted.out).toContain('header from Actual!A1 on')
    expect((await said.run()).notes).toContain('2 rows')
  })
})
