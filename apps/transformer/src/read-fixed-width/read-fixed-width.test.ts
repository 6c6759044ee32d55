import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { aColumn, aDataset, aRefinery, type Refinery } from '../refine/refinery.fixture.ts'

let refinery: Refinery
beforeEach(async () => {
  refinery = await aRefinery()
})
afterEach(() => refinery[Symbol.asyncDispose]())

const of = (
  reading: object,
  columns = [
    aColumn('id', { type: 'BIGINT' }),
    aColumn('note'),
    aColumn('price', { type: 'DECIMAL(9,2)', reading: { decimal: ',' } }),
  ],
) => aDataset({ columns, reading: { format: 'fixed-width', ...reading } })
const fields = [
  { name: 'id', start: 1, width: 4 },
  { name: 'note', start: 5, width: 6 },
  { name: 'price', start: 12, width: 6 },
]
const refined = async (reading: object, text: string | Uint8Array) => {
  const { balance, quality } = await refinery.refineFiles(of(reading), { files: { 'a.txt': text } })
  return { balance, quality, rows: await refinery.rowsOf('orders', 'id', 'id, note, price') }
}
const rejectsOf = async () => await refinery.rowsOf('_rejects/orders', 'line', 'file, line, rule, found, raw')

test.each([
  [
    'by name and place',
    { fields },
    '0001Ann   #  1,50\r\n   2      # 1.234\n\n3   Bob   #      ',
    ['Ann', '1.50', '1234.00'],
  ],
  [
    'by width, with names in the first line',
    { widths: [4, 6, 1, 6] },
    'id  note  #price\n0001Ann   #  1,50\n   2      # 1.234\n3   Bob   #      ',
    ['Ann', '1.50', '1234.00'],
  ],
  [
    'by width, in the order of the contract',
    { widths: [4, 6, 7], header: false },
    '0001Ann      1,50\n   2        1.234\n3   Bob          \n\u001a',
    ['Ann', '1.50', '1234.00'],
  ],
] as const)('fields are found %s, without what fills them', async (_, reading, text, [name, price, other]) => {
  const { rows, balance } = await refined(reading, text)
  expect(balance).toMatchObject({ in: 3, out: 3 })
  expect(rows).toEqual([
    { id: 1, note: name, price },
    { id: 2, note: null, price: other },
    { id: 3, note: 'Bob', price: null },
  ])
})

test('a line that is shorter or longer is rejected alone, with both lengths', async () => {
  const { balance } = await refined({ fields }, '0001Ann   #  1,50\n0002Ann\n0003Ann   #  1,50 \n000xAnn   #  1,50\n')
  expect(balance).toMatchObject({ in: 4, out: 1, rejected: 3 })
  expect(await rejectsOf()).toMatchObject([
    { file: 'a.txt', line: 2, rule: 'row_shape', found: ['7 of 17 characters'], raw: '0002Ann' },
    { line: 3, rule: 'row_shape', found: ['18 of 17 characters'] },
    { line: 4, rule: 'type(id)', found: ['id=000x'] },
  ])
})

test('lines whose last blanks are cut off are read where that is said', async () => {
  const { rows } = await refined({ fields, missingCells: 'empty' }, '0001Ann\n0002\n')
  expect(rows).toEqual([
    { id: 1, note: 'Ann', price: null },
    { id: 2, note: null, price: null },
  ])
})

test('lines before, comments, blank lines and a footer are no rows', async () => {
  const text = 'Report\n* note\n0001Ann   #  1,50\n                 \n0002Bob   #  1,50\nTotal     #  3,00\n'
  const { rows, quality } = await refined({ fields, skip: 1, comment: '*', footer: ['Total'], blankRows: 'skip' }, text)
  expect(rows.map(({ id }) => id)).toEqual([1, 2])
  expect(quality).toContainEqual(expect.objectContaining({ rule: 'footer' }))
  await using own = await aRefinery()
  await expect(own.refineFiles(of({ fields, footer: 9 }), { files: { 'a.txt': text } })).rejects.toMatchObject({
    code: 'REFINE_FILE_UNREADABLE',
  })
})

describe('places are characters', () => {
  test('in UTF-8, beyond the first 65,536 as well', async () => {
    const { rows } = await refined({ fields }, '0001Zoë😀  #  1,50\n')
    expect(rows).toEqual([{ id: 1, note: 'Zoë😀', price: '1.50' }])
  })

  test('in an encoding that is declared or guessed, which is told', async () => {
    const bytes = Buffer.from('0001Zo\xeb   #  1,50\n', 'latin1')
    const guess = await refined({ fields }, bytes)
    expect(guess.rows).toEqual([{ id: 1, note: 'Zoë', price: '1.50' }])
    expect(guess.quality).toContainEqual(expect.objectContaining({ rule: 'guessed_encoding' }))
    await using own = await aRefinery()
    const { quality } = await own.refineFiles(of({ fields, encoding: 'windows-1250' }), { files: { 'a.txt': bytes } })
    expect(quality).not.toContainEqual(expect.objectContaining({ rule: 'guessed_encoding' }))
    expect(await own.rowsOf('orders', 'id', 'note')).toEqual([{ note: 'Zoë' }])
  })

  test('and a line with bytes that are none is rejected alone', async () => {
    const lines = ['0001Zoë   #  1,50', '0002Ren\xff  #  1,50', '0003Zoë   #  1,50'].map((line) =>
      line.includes('\xff') ? Buffer.from(line, 'latin1') : Buffer.from(line),
    )
    const { balance } = await refined({ fields }, Buffer.concat(lines.flatMap((line) => [line, Buffer.from('\n')])))
    expect(balance).toMatchObject({ in: 3, out: 2, rejected: 1 })
    expect(await rejectsOf()).toMatchObject([{ line: 2, found: ['bytes that its encoding does not have'] }])
  })
})

test('a file that is no text is refused, text that looks like another format is not', async () => {
  await expect(refined({ fields }, Buffer.from('PK\x03\x04............'))).rejects.toMatchObject({
    code: 'REFINE_FILE_FORMAT',
  })
  const { rows } = await refined({ widths: [9, 1], header: false, nulls: ['{"a": 12}'] }, '{"a": 12}x\n')
  expect(rows).toMatchObject([{ id: null, note: 'x' }])
})
