import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { aColumn, aDataset, aRefinery, type Refinery } from '../refine/refinery.fixture.ts'
import { aRow, aWorkbook } from './workbook.fixture.ts'

let refinery: Refinery
beforeEach(async () => {
  refinery = await aRefinery()
})
afterEach(() => refinery[Symbol.asyncDispose]())

const columns = [
  aColumn('id', { type: 'BIGINT' }),
  aColumn('note'),
  aColumn('price', { type: 'DECIMAL(20,4)', reading: { decimal: ',' } }),
  aColumn('day', { type: 'DATE' }),
  aColumn('at', { type: 'TIMESTAMP WITH TIME ZONE' }),
  aColumn('clock', { type: 'TIME' }),
  aColumn('ok', { type: 'BOOLEAN' }),
]
const dataset = aDataset({ columns })
const reading = (read: object) => ({ ...dataset, reading: { ...dataset.reading, format: 'xlsx' as const, ...read } })
const all = 'id, note, price, day, "at", clock, ok'

const HEAD = aRow('id', 'note', 'price', 'day', 'at', 'clock', 'ok')
const rejectsOf = async () => await refinery.rowsOf('_rejects/orders', 'file', 'file, line, rule, found, raw')

test('cells keep their types and digits, whatever their place, text or style is written like', async () => {
  const book = aWorkbook({
    sheets: [
      {
        name: 'Data',
        rows: `${HEAD}
<row r="2"><c r="A2"><v>9007199254740993</v></c><c r="B2" t="s"><v>0</v></c><c r="C2"><v>4.0999999999999996</v></c><c r="D2" s="1"><v>45000</v></c><c r="E2" s="2"><v>45000.4375</v></c><c r="F2" s="3"><v>0.5</v></c><c r="G2" t="b"><v>1</v></c></row>
<row r="4"><c r="A4"><v>1E3</v></c><c r="C4"><v>1.2345</v></c><c r="B4" t="s"><v>1</v></c><c r="G4" t="b"><v>0</v></c><c r="E4" t="d"><v>2023-03-15T10:30:00Z</v></c></row>
<row><c><v>3</v></c><c t="str"><f>A1&amp;"x"</f><v> a_x000D__x005F_ </v></c><c t="str"><f>""</f><v></v></c></row>`,
      },
    ],
    texts:
      '<si><t xml:space="preserve"> shared </t></si><si><r><t>rich</t></r><r><rPr/><t> text</t></r><rPh><t>no</t></rPh></si>',
    formats: [14, 'yyyy\\-mm\\-dd hh:mm:ss', '[$-409]h:mm AM/PM'],
  })
  const { balance } = await refinery.refineFiles(dataset, { files: { 'a.bin': book } })

  expect(balance).toMatchObject({ in: 3, out: 3 })
  expect(await refinery.rowsOf('orders', 'id', all)).toEqual([
    { id: 3, note: ' a\r_ ', price: null, day: null, at: null, clock: null, ok: null },
    {
      id: 1000,
      note: 'rich text',
      price: '1.2345',
      day: null,
      at: '2023-03-15T10:30:00.000000Z',
      clock: null,
      ok: false,
    },
    {
      id: 9007199254740993n,
      note: ' shared ',
      price: '4.1000',
      day: '2023-03-15',
      at: '2023-03-15T10:30:00.000000Z',
      clock: '12:00:00',
      ok: true,
    },
  ])
})

describe('what a cell does not have is a reject with its place', () => {
  test.each([
    ['an error', '<c r="C2" t="e"><v>#DIV/0!</v></c>', 'price=#DIV/0!'],
    ['an error for a text', '<c r="B2" t="e"><f>X</f><v>#N/A</v></c>', 'note=#N/A'],
    ['a formula that nobody computed', '<c r="C2"><f>A2*2</f><v/></c>', 'price=(a formula without its value)'],
    ['a text that nobody shares', '<c r="B2" t="s"><v>7</v></c>', 'note=(a text that the workbook does not have)'],
    ['a text for a number', '<c r="C2" t="str"><v>n/a</v></c>', 'price=n/a'],
    ['a truth for a number', '<c r="C2" t="b"><v>1</v></c>', 'price=true'],
    ['more digits than the column has', '<c r="C2"><v>1.23456</v></c>', 'price=1.23456'],
    ['29 February 1900', '<c r="D2" s="1"><v>60</v></c>', 'day=1900-02-29'],
    ['a day with a time', '<c r="D2" s="1"><v>45000.25</v></c>', 'day=2023-03-15 06:00:00'],
    ['day 0', '<c r="D2" s="1"><v>0</v></c>', 'day=0'],
    ['a day before any', '<c r="D2" s="1"><v>-1</v></c>', 'day=-1'],
    ['a number that is no day by its format', '<c r="D2"><v>45000</v></c>', 'day=45000'],
    ['a day for a number', '<c r="C2" s="1"><v>45000</v></c>', 'price=2023-03-15'],
    ['more hours than a day has', '<c r="F2" s="2"><v>1.5</v></c>', 'clock=36:00:00'],
  ])('%s', async (_, cell, found) => {
    const rows = `${HEAD}<row r="2"><c r="A2"><v>1</v></c>${cell}</row>${aRow(2)}`
    const book = aWorkbook({ sheets: [{ name: 'Q1 sales', rows }], formats: [14, '[h]:mm'] })
    const { balance } = await refinery.refineFiles(dataset, { files: { 'a.xlsx': book } })

    expect(balance).toMatchObject({ in: 2, out: 1, rejected: 1 })
    const place = /r="(\w+)"/.exec(cell)?.[1]
    const column = found.split('=')[0]
    expect(await rejectsOf()).toMatchObject([
      { file: `a.xlsx 'Q1 sales'!${place}`, line: null, rule: `type(${column})`, found: [found] },
    ])
  })

  test('unless a word says that it is no value', async () => {
    const rows = `${HEAD}<row><c t="e"><v>#N/A</v></c><c t="str"><v>n/a</v></c><c t="e"><v>#n/a</v></c></row>`
    const book = aWorkbook({ sheets: [{ name: 'A', rows: rows + aRow(2) }] })
    const { balance } = await refinery.refineFiles(reading({ nulls: ['#N/A', 'n/a'] }), { files: { 'a.xlsx': book } })
    expect(balance).toMatchObject({ in: 2, out: 2 })
  })

  test('two cells with one place, and a missing required value', async () => {
    const required = aDataset({ columns: [aColumn('id', { type: 'BIGINT', required: true }), aColumn('note')] })
    const rows = `${aRow('id', 'note')}<row r="2"><c r="A2"><v>1</v></c><c r="A2"><v>2</v></c></row><row r="3"><c r="B3" t="str"><v>x</v></c></row>${aRow(3)}`
    await refinery.refineFiles(required, { files: { 'a.xlsx': aWorkbook({ sheets: [{ name: 'A', rows }] }) } })
    expect(await rejectsOf()).toMatchObject([
      { file: 'a.xlsx A!A2', rule: 'row_shape', found: ['two cells A'], raw: '{"id":"2"}' },
      { file: 'a.xlsx A!A3', rule: 'required(id)', raw: '{"note":"x"}' },
    ])
  })
})

describe('days and times', () => {
  const times = async (
    cells: readonly string[],
    { formats = [] as (number | string)[], is1904 = false, columns: of = columns } = {},
  ) => {
    const rows = `${HEAD}${cells.map((cell, index) => `<row r="${index + 2}"><c><v>${index}</v></c>${cell}</row>`).join('')}`
    const book = aWorkbook({ sheets: [{ name: 'A', rows }], formats, is1904 })
    await using own = await aRefinery()
    const { balance } = await own.refineFiles(aDataset({ columns: of }), { files: { 'a.xlsx': book } })
    expect(balance).toMatchObject({ rejected: 0 })
    const found = await own.rowsOf('orders', 'id', 'coalesce(day::VARCHAR, "at"::VARCHAR, clock::VARCHAR) AS found')
    return found.map((row) => row['found'])
  }
  const day = (serial: string, row: number) => `<c r="D${row}" s="1"><v>${serial}</v></c>`

  test('count from 1900 with the day that did not exist, or from 1904', async () => {
    const serials = ['1', '59', '61', '45000', '2958465']
    const cells = serials.map((serial, index) => day(serial, index + 2))
    const dates = ['1900-01-01', '1900-02-28', '1900-03-01', '2023-03-15', '9999-12-31']
    expect(await times(cells, { formats: [14] })).toEqual(dates)
    expect(await times(cells.slice(0, 4), { formats: [14], is1904: true })).toEqual([
      '1904-01-02',
      '1904-02-29',
      '1904-03-02',
      '2027-03-16',
    ])
  })

  test('a number of a workbook from 1904 is a day of it where formats say `excel`', async () => {
    const of = columns.map((column) =>
      column.name === 'day' ? { ...column, reading: { ...column.reading, formats: ['excel'] } } : column,
    )
    expect(await times(['<c r="D2"><v>43538</v></c>'], { is1904: true, columns: of })).toEqual(['2023-03-15'])
    expect(await times(['<c r="D2"><v>45000</v></c>'], { columns: of })).toEqual(['2023-03-15'])
  })

  test('a day that is one is not in a format of texts', async () => {
    const of = columns.map((column) =>
      column.name === 'day' ? { ...column, reading: { ...column.reading, formats: ['%d.%m.%Y'] } } : column,
    )
    const cells = [
      day('45000', 2),
      '<c r="D3" t="str"><v>15.03.2023</v></c>',
      '<c r="D4" s="2"><v>45000</v></c>',
      '<c r="D5" t="d"><v>2023-03-15T00:00:00.000</v></c>',
    ]
    expect(await times(cells, { formats: [14, 'yyyy-mm-dd hh:mm'], columns: of })).toEqual(Array(4).fill('2023-03-15'))
  })

  test.each([
    ['45000.433333333334', '2023-03-15 10:24:00+00'],
    ['45000.4333333333', '2023-03-15 10:24:00+00'],
    ['45000.99999999996', '2023-03-15 23:59:59.999997+00'],
    ['45000.999999999999', '2023-03-16 00:00:00+00'],
    ['45000.000011574074', '2023-03-15 00:00:01+00'],
    ['45000.00000142891', '2023-03-15 00:00:00.123458+00'],
    ['4.50005E4', '2023-03-15 12:00:00+00'],
  ])('%s is %s', async (serial, expected) => {
    const cell = `<c r="E2" s="1"><v>${serial}</v></c>`
    expect(await times([cell], { formats: [22] })).toEqual([expected])
  })
})

describe('the table in a workbook', () => {
  const twoColumns = aDataset({ columns: [aColumn('id', { type: 'BIGINT' }), aColumn('note')] })
  const read = (of: object) => ({ ...twoColumns, reading: { ...twoColumns.reading, format: 'xlsx' as const, ...of } })
  const sheet = (name: string, ...rows: string[]) => ({ name, rows: rows.join('') })
  const rowsIn = async (dataset: typeof twoColumns, book: Buffer) => {
    await using own = await aRefinery()
    const { quality, balance } = await own.refineFiles(dataset, { files: { 'a.xlsx': book } })
    return { balance, quality, rows: await own.rowsOf('orders', 'id', 'id, note') }
  }
  const head = aRow('id', 'note')
  const [one, two] = [aRow(1, 'a'), aRow(2, 'b')]

  test('is in the only visible sheet with rows', async () => {
    const sheets = [
      sheet('Empty', '<row r="1"><c r="A1" s="1"/></row>'),
      sheet('Data', head, one),
      { ...sheet('Old', head, two), state: 'hidden' as const },
    ]
    expect((await rowsIn(twoColumns, aWorkbook({ sheets }))).rows).toEqual([{ id: 1, note: 'a' }])
  })

  test.each([
    [{ sheet: 'old' }, 2],
    [{ sheet: 3 }, 2],
    [{ sheet: 1 }, 1],
    [{ sheet: '1' }, 3],
  ])('is in the sheet that is named: %j', async (of, id) => {
    const sheets = [
      sheet('Data', head, one),
      sheet('1', head, aRow(3, 'c')),
      { ...sheet('Old', head, two), state: 'veryHidden' as const },
    ]
    expect((await rowsIn(read(of), aWorkbook({ sheets }))).rows).toMatchObject([{ id }])
  })

  test.each([
    [{}, /expected one visible worksheet with rows.*got `Data`, `More`; name one/],
    [{ sheet: 'Sheet1' }, /expected a worksheet `Sheet1`, got `Data`, `More`, `Old` \(hidden\)/],
    [{ sheet: 9 }, /expected 9 worksheets or more, got/],
  ])('is asked for where it is not clear: %j', async (of, message) => {
    const sheets = [
      sheet('Data', head, one),
      sheet('More', head, two),
      { ...sheet('Old', head), state: 'hidden' as const },
    ]
    await expect(rowsIn(read(of), aWorkbook({ sheets }))).rejects.toMatchObject({
      code: 'REFINE_WORKBOOK_REFUSED',
      message: expect.stringMatching(message),
    })
  })

  const titled = sheet(
    'A',
    '<row r="2"><c r="B2" t="str"><v>Report</v></c></row>',
    '<row r="4"><c r="B4" t="str"><v>id</v></c><c t="str"><v>note</v></c><c r="E4" t="str"><v>scribble</v></c></row>',
    '<row r="6"><c r="B6"><v>1</v></c><c t="str"><v>a</v></c><c r="H6"><v>7</v></c></row>',
    '<row r="7"><c r="B7" t="str"><v>Total</v></c></row>',
    '<row r="9"><c r="B9" s="1"/></row>',
  )

  test.each([
    [{ skip: 2, footer: ['Total'] }, ['scribble', 'column H']],
    [{ range: 'B4:C', footer: 1 }, []],
    [{ range: 'B4:C6' }, []],
    [{ range: 'B5:C6', header: false }, []],
    [{ range: 'B:C', skip: 3, footer: 1 }, []],
    [{ range: '4:6' }, ['scribble', 'column H']],
    [{ range: 'B4', footer: 1 }, ['scribble', 'column H']],
  ])('is where it is said to be, and what is beside it is told: %j', async (of, beside) => {
    const { rows, quality } = await rowsIn(read(of), aWorkbook({ sheets: [titled] }))
    expect(rows).toEqual([{ id: 1, note: 'a' }])
    const told = quality?.find(({ rule }) => rule === 'unknown_columns')?.detail ?? ''
    for (const name of beside) expect(told).toContain(name)
    expect(told === '').toBe(beside.length === 0)
  })

  test('has a header of its own, or fails', async () => {
    await expect(rowsIn(read({}), aWorkbook({ sheets: [titled] }))).rejects.toMatchObject({
      code: 'REFINE_HEADER_MISMATCH',
    })
    await expect(rowsIn(read({}), aWorkbook({ sheets: [sheet('A')] }))).rejects.toMatchObject({
      code: 'REFINE_HEADER_MISMATCH',
    })
  })

  const merged = (...refs: string[]) =>
    `<mergeCells count="1">${refs.map((ref) => `<mergeCell ref="${ref}"/>`).join('')}</mergeCells>`

  test('with merged cells has their value, none, or rejects, as is said', async () => {
    const rows = [head, aRow(1, 'north'), aRow(2, null), aRow(3, null), aRow(4, 'south')]
    const book = aWorkbook({ sheets: [{ ...sheet('A', ...rows), after: merged('B2:B4', 'A6:B9') }] })
    const filled = await rowsIn(read({ mergedCells: 'fill' }), book)
    expect(filled.rows.map(({ note }) => note)).toEqual(['north', 'north', 'north', 'south'])
    const emptied = await rowsIn(read({ mergedCells: 'empty' }), book)
    expect(emptied.rows.map(({ note }) => note)).toEqual(['north', null, null, 'south'])
    const { balance } = await refinery.refineFiles(twoColumns, { files: { 'a.xlsx': book } })
    expect(balance).toMatchObject({ in: 4, out: 2, rejected: 2 })
    expect(await rejectsOf()).toMatchObject([
      { file: 'a.xlsx A!B3', rule: 'type(note)', found: ['note=(merged with B2)'] },
      { file: 'a.xlsx A!B4' },
    ])
  })

  test('has a header of several lines, with merged names', async () => {
    const sales = aDataset({
      columns: [aColumn('id', { type: 'BIGINT' }), aColumn('note', { reading: { from: ['sales 2026'] } })],
    })
    const rows = [aRow('id', 'sales', null), aRow(null, 2025, 2026), aRow(1, 'x', 'a')]
    const book = aWorkbook({ sheets: [{ ...sheet('A', ...rows), after: merged('A1:A2', 'B1:C1') }] })
    const of = { ...sales, reading: { ...sales.reading, format: 'xlsx' as const, headerLines: 2 } }
    expect((await rowsIn(of, book)).rows).toEqual([{ id: 1, note: 'a' }])
  })
})
