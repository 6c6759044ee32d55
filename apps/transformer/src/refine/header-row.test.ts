import { describe, expect, test } from 'vitest'
import { aColumn, aDataset, aRefinery } from './refinery.fixture.ts'

const id = aColumn('id')
const t = aColumn('t', { reading: { from: ['title text', 't'] } })
const texts = aDataset({ columns: [id, t] })

/** Rules of the rejected rows of a file, and the rows that are kept. */
async function refined(dataset: typeof texts, text: string) {
  await using refinery = await aRefinery()
  const { balance, rejects, quality = [] } = await refinery.refineFiles(dataset, { files: { 'a.csv': text } })
  expect(balance.in).toBe(balance.out + balance.rejected)
  return { rejects, out: balance.out, warned: quality.filter(({ severity }) => severity === 'warn') }
}

describe('a header within the data of text columns is a reject', () => {
  test.each([
    ['the same', 'id,t\n1,a\nid,t\n2,b\n'],
    ['in another case', 'id,t\n1,a\nID,T\n2,b\n'],
    ['in another order', 'id,t\n1,a\nt,id\n2,b\n'],
    ['in another spelling of the contract', 'id,t\n1,a\nid,Title_Text\n2,b\n'],
    ['in quotes, with blanks', 'id,t\n1,a\n"id", "t "\n2,b\n'],
    ['twice', 'id,t\n1,a\nid,t\nid,t\n2,b\n'],
    ['in the first line', 'id,t\nid,t\n1,a\n2,b\n'],
    ['in the last line', 'id,t\n1,a\n2,b\nid,t'],
    ['with CRLF', 'id,t\r\n1,a\r\nid,t\r\n2,b\r\n'],
    ['beside columns that the contract does not know', 'id,x,t\n1,,a\nid,y,t\n2,,b\n'],
  ])('%s', async (what, text) => {
    const { rejects, out } = await refined(texts, text)
    expect(rejects).toEqual({ header_row: what === 'twice' ? 2 : 1 })
    expect(out).toBe(2)
  })

  test('where the file is declared to have none', async () => {
    const { rejects, out } = await refined({ ...texts, reading: { header: false, nulls: [] } }, 'id,t\n1,a\n2,b\n')
    expect([rejects, out]).toEqual([{ header_row: 1 }, 2])
  })

  test('where columns are taken by position', async () => {
    const columns = [id, aColumn('second', { reading: { from: ['second'], position: 3 } })]
    const { rejects, out } = await refined(aDataset({ columns }), 'id,x,x\n1,,a\nid,x,x\n2,,b\n')
    expect([rejects, out]).toEqual([{ header_row: 1 }, 2])
  })
})

test('a header within the data of columns of other types breaks their rules', async () => {
  const columns = [aColumn('id', { type: 'BIGINT' }), t]
  const { rejects, out } = await refined(aDataset({ columns }), 'id,t\n1,a\nid,t\n2,b\n')
  expect([rejects, out]).toEqual([{ 'type(id)': 1 }, 2])
})

test('a row with the name of one column among its values is a row', async () => {
  const { rejects, out } = await refined(texts, 'id,t\nid,a\n1,t\nid,id\nid,\n,t\n')
  expect([rejects, out]).toEqual([{}, 5])
})

test('of a file with one column the name of the column is kept, with a warning', async () => {
  const { rejects, out, warned } = await refined(aDataset({ columns: [id] }), 'id\na\nid\nb\n')
  expect([rejects, out]).toEqual([{}, 3])
  expect(warned).toMatchObject([{ rule: 'header_row', failed: 1 }])
})

test.each([
  ['1,a,x', '3 of 2 fields'],
  ['24" LP', '1 of 2 fields'],
  ['1,12" and 7",x', '3 of 2 fields'],
  ['1,"a" b', 'text after a quote that closes'],
  ['1,"a', 'a quote that does not close'],
])('a reject says what is wrong with the shape of %s', async (row, found) => {
  await using refinery = await aRefinery()
  await refinery.refineFiles(texts, { files: { 'a.csv': `id,t\n1,b\n${row}\n2,c\n` } })
  const [reject] = await refinery.rowsOf('_rejects/orders')
  expect(reject).toMatchObject({ rule: 'row_shape', found: [found], raw: row })
})
