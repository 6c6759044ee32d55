import { describe, expect, test } from 'vitest'
import { matchColumns, readHead, type CsvColumn } from './head.ts'

const aColumn = (
  name: string,
  { required = false, reading }: { required?: boolean; reading: CsvColumn['reading'] },
) => ({
  name,
  required,
  reading,
})

const columns = [
  aColumn('title_id', { required: true, reading: { from: ['show_id', 'id'] } }),
  aColumn('release_date', { reading: { from: ['released', 'release date'] } }),
]
const read = (text: string, reading: { delimiter?: string; quote?: string; header?: boolean } = {}) =>
  readHead(Buffer.from(text), true, columns, { header: true, ...reading })

describe('columns of a header', () => {
  test.each([
    [
      ['id', 'released'],
      [0, 1],
    ],
    [
      ['Release-Date', 'SHOW ID'],
      [1, 0],
    ],
    [
      ['id', 'show_id'],
      [1, undefined],
    ],
    [
      ['ID', 'id'],
      [1, undefined],
    ],
    [
      ['x', ' ID ', 'y'],
      [1, undefined],
    ],
  ])('%j are found at %j, preferred spellings first', (header, places) => {
    expect(matchColumns(header, columns)).toMatchObject({ places, problems: [] })
  })

  test('names that are no column are told', () => {
    expect(matchColumns(['id', 'Extra', 'show_id'], columns).unknown).toEqual(['Extra'])
  })

  test.each([
    [['released'], 'the required column `title_id` (`show_id` or `id`) is missing'],
    [['Id', 'ID'], 'the column `title_id` is there more than once, as `Id` and `ID`'],
    [['x', 'y'], 'none of its fields is a known column'],
  ])('%j cannot be used: %s', (header, problem) => {
    expect(matchColumns(header, columns).problems).toContain(problem)
  })
})

describe('delimiter', () => {
  test.each([
    ['id,released\n1,2\n', ','],
    ['id;released\n1,5;2,5\n', ';'],
    ['id\treleased\n', '\t'],
    ['id|released', '|'],
    ['id;a,b,c,d;released\n', ';'],
    ['"id, or so";released;id\n', ';'],
  ])('%j is delimited by %j', (text, delimiter) => {
    expect(read(text)?.dialect.delimiter).toBe(delimiter)
  })

  test('without a header it is the one that gives the records as many fields as there are columns', () => {
    expect(read('1;2,3\n4;5,6,7\n', { header: false })?.dialect.delimiter).toBe(';')
  })

  test('without a header it is found where each row ends with it', () => {
    expect(read('1;2;\n4;5;\n', { header: false })).toMatchObject({ dialect: { delimiter: ';' }, fieldCount: 2 })
  })

  test('without a header, columns by position are among as many fields as the records have', () => {
    const byPosition = [1, 3].map((position) => ({
      name: `c${position}`,
      required: false,
      reading: { from: [], position },
    }))
    const head = (text: string) => readHead(Buffer.from(text), true, byPosition, { header: false })
    expect(head('1;x;2;y\n3;x;4;y\n')).toMatchObject({ dialect: { delimiter: ';' }, fieldCount: 4, places: [0, 2] })
    expect(head('1;x;2,5\n3;x;4\n1\n')).toMatchObject({ dialect: { delimiter: ';' }, fieldCount: 3 })
    expect(head('1;x\n')).toMatchObject({ fieldCount: 3 })
  })

  test('a declared one is taken at its word', () => {
    expect(read('id;released:x\n', { delimiter: ':' })).toMatchObject({ dialect: { delimiter: ':' }, fieldCount: 2 })
  })
})

test('the data begins after the header, however many lines that takes', () => {
  expect(read('\n"id\n";released\r\n1;2')).toMatchObject({
    headerLength: 17,
    headerLineCount: 3,
    isUnusual: true,
    fieldCount: 2,
  })
})

test('a file without a record has no header', () => {
  expect(read('\n\n')).toBeUndefined()
})
