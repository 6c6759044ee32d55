import type { CheckedColumn, FileReading } from '@cinelake/pipeline'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { aColumn, aDataset, aRefinery, type LandedContent, type Refinery } from '../refine/refinery.fixture.ts'

let refinery: Refinery

beforeAll(async () => {
  refinery = await aRefinery()
})
afterAll(async () => {
  await refinery[Symbol.asyncDispose]()
})

let count = 0

/** Refines files through the engine. @returns rows and rejects as one text each, and the results of quality rules */
async function refine(
  content: LandedContent | Readonly<Record<string, LandedContent>>,
  reading: Partial<FileReading> = {},
  columns: readonly (string | CheckedColumn)[] = ['a', 'b'],
) {
  const dataset = aDataset({
    name: `t${count++}`,
    columns: columns.map((column) => (typeof column === 'string' ? aColumn(column) : column)),
    reading,
  })
  const files = typeof content === 'string' || content instanceof Uint8Array ? { 'f.csv': content } : content
  const outcome = await refinery.refineFiles(dataset, { files })
  const rows = await refinery.rowsOf(dataset.name)
  const rejects = await refinery.rowsOf(`_rejects/${dataset.name}`, 'file, line')
  return {
    rows: rows.map(({ _window, ...row }) =>
      Object.values(row)
        .map((value) => (typeof value === 'string' ? value : '∅'))
        .join('|'),
    ),
    rejects: rejects.map(({ rule, line, found, raw }) => [
      rule,
      line,
      Array.isArray(found) ? found.join(', ') : found,
      raw,
    ]),
    quality: outcome.quality ?? [],
    balance: outcome.balance,
  }
}

describe('what a pipeline may say about a file', () => {
  const cases: readonly [string, LandedContent, Partial<FileReading>, string[], unknown[]][] = [
    ['lines before the header', 'Report of 2026\n\na;b\n1;2\n', { skip: 2 }, ['1|2'], []],
    [
      'lines before records without a header',
      'Report, "of\n1,2\n3,4,5\n',
      { skip: 1, header: false },
      ['1|2'],
      [['row_shape', 3, '3 of 2 fields', '3,4,5']],
    ],
    ['sep= above the header', 'sep=;\r\na;b\r\n1,5;2\r\n', {}, ['1,5|2'], []],
    ['sep= as a value', 'a,b\nsep=;,2\n', {}, ['sep=;|2'], []],
    ['comments, with quotes in them', '# it\'s "odd\na,b\n# c\n1,2\n#x,y\n3,4', { comment: '#' }, ['1|2', '3|4'], []],
    ['comments of several characters', '// c\na,b\n/,2\n//,3\n', { comment: '//' }, ['/|2'], []],
    ['a comment character in a row', 'a,b\n1,#2\n', { comment: '#' }, ['1|#2'], []],
    ['no comments unless they are declared', 'a,b\n#1,2\n', {}, ['#1|2'], []],
    ['a header of two lines', 'a,\n,b\n1,2\n', { headerLines: 2 }, ['1|2'], []],
    ['a footer of one record', 'a;b\n1;2\nTotal;6\n', { footer: 1 }, ['1|2'], []],
    [
      'a footer by its first field, ragged',
      'a;b\n1;2\n\nTotal\nSource: x;y;z\n',
      { footer: ['Total', 'Source:'] },
      ['1|2'],
      [],
    ],
    [
      'a footer by a word, not by its beginning',
      'a;b\nTotally;1\nTotal:;6\n',
      { footer: ['Total'] },
      ['Totally|1'],
      [],
    ],
    ['a footer only at the end', 'a;b\nTotal;1\n1;2\nTotal;6\n', { footer: ['Total'] }, ['1|2', 'Total|1'], []],
    ['rows without text, kept', 'a,b\n,\n1,2\n', {}, ['1|2', '∅|∅'], []],
    [
      'rows without text, skipped',
      'a,b\n,\n1,2\n"",\n , \t\n\n3,x,y\n',
      { blankRows: 'skip' },
      ['1|2'],
      [['row_shape', 7, '3 of 2 fields', '3,x,y']],
    ],
    ['a delimiter at the end of every row', 'a;b\n1;2;\n3;4;\n', {}, ['1|2', '3|4'], []],
    [
      'a delimiter at the end of some rows',
      'a;b\n1;2;\n3;4\n',
      {},
      ['3|4'],
      [['row_shape', 2, '3 of 2 fields', '1;2;']],
    ],
    ['missing cells', 'a,b\n1\n2,3\n', {}, ['2|3'], [['row_shape', 2, '1 of 2 fields', '1']]],
    [
      'missing cells that may be missing',
      'a,b\n1\n2,3\n4,5,6\n',
      { missingCells: 'empty' },
      ['1|∅', '2|3'],
      [['row_shape', 4, '3 of 2 fields', '4,5,6']],
    ],
    ['no quotes', 'a\tb\n"x\t5" LP\n', { quote: '' }, ['"x|5" LP'], []],
    ['quotes within a field', 'a,b\nJohn "Jack" Doe,12" LP\n', {}, ['John "Jack" Doe|12" LP'], []],
    ['text after a quote', 'a,b\n"x" y,2\n', {}, [], [['row_shape', 2, 'text after a quote that closes', '"x" y,2']]],
    [
      'an escape character',
      String.raw`a,b` + '\n' + String.raw`"x \"y\", z",C:\new\, old` + '\n',
      { escape: '\\' },
      ['x "y", z|C:\\new, old'],
      [],
    ],
    ['an escaped line end', 'a,b\nx\\\ny,2\n', { escape: '\\' }, ['x\ny|2'], []],
    [
      'a delimiter of two characters',
      'a::b\n1::Part: x (1977)\n2::3::4\n',
      { delimiter: '::' },
      ['1|Part: x (1977)'],
      [['row_shape', 3, '3 of 2 fields', '2::3::4']],
    ],
    ['a delimiter that is not ASCII', 'a¦b\n1¦"x¦y"\n', { delimiter: '¦' }, ['1|x¦y'], []],
    ['a byte order mark in the middle', '\u{feff}a,b\n1,2\n\u{feff}"3",4\n', {}, ['1|2', '3|4'], []],
  ]
  test.each(cases)('%s', async (_, content, reading, rows, rejects) => {
    const found = await refine(content, reading)
    expect(found.rows.toSorted()).toEqual(rows.toSorted())
    expect(found.rejects).toEqual(rejects)
    // The same file among others is read in another way, with the same result.
    const among = await refine({ 'f.csv': content, 'g.csv': content }, reading)
    expect(among.balance).toMatchObject({ in: 2 * found.balance.in, rejected: 2 * rejects.length })
  })

  test('a column by its position, whatever the header says', async () => {
    const columns = [
      aColumn('first', { reading: { from: ['first'], position: 2 } }),
      aColumn('second', { reading: { from: ['second'], position: 3 } }),
      aColumn('id'),
    ]
    expect((await refine('id;x;x\n1;2;3\n', {}, columns)).rows).toEqual(['2|3|1'])
    expect((await refine(',,id\n1;2;3\n'.replaceAll(',', ';'), {}, columns)).rows).toEqual(['2|3|3'])
    expect((await refine('9,2,3\n', { header: false }, columns.slice(0, 2))).rows).toEqual(['2|3'])
  })

  test('the records of a footer are counted, and a file with fewer of them fails', async () => {
    const { quality } = await refine('a;b\n1;2\nSum;2\nTotal;6\n', { footer: 2 })
    expect(quality).toMatchObject([{ rule: 'footer', failed: 0 }])
    expect(quality[0]?.detail).toContain('2 at the end of f.csv')

    await expect(refine('a;b\n1;2\n', { footer: 3 })).rejects.toMatchObject({
      code: 'REFINE_FILE_UNREADABLE',
      message: expect.stringMatching(/expected a footer of 3 records.*got a file with 1 in all/),
    })
  })

  test('a file whose header does not fit is told how to say what it has', async () => {
    await expect(refine('Report\n1;2\n')).rejects.toMatchObject({
      code: 'REFINE_HEADER_MISMATCH',
      message: expect.stringMatching(/header: false.*skip.*comment/),
    })
  })
})

describe('encodings', () => {
  test.each([
    ['windows-1251', Buffer.of(0xcf, 0xf0, 0xe8), 'При'],
    ['shift_jis', Buffer.of(0x93, 0xfa, 0x96, 0x7b), '日本'],
    ['gb18030', Buffer.of(0xd6, 0xd0), '中'],
    ['koi8-r', Buffer.of(0xf0), 'П'],
    ['iso-8859-2', Buffer.of(0xb1), 'ą'],
  ])('%s is read by its name', async (encoding, bytes, text) => {
    const content = Buffer.concat([Buffer.from('a;b\n1;'), bytes, Buffer.from('\n')])
    const { rows, quality } = await refine(content, { encoding })
    expect(rows).toEqual([`1|${text}`])
    expect(quality).toEqual([])
  })

  test('bytes that are not UTF-8 are taken for windows-1252, with a warning that says how many they are', async () => {
    const content = Buffer.concat([Buffer.from('a;b\n1;'), Buffer.of(0xcf, 0xf0, 0xe8), Buffer.from('\n')])
    for (const files of [{ 'f.csv': content }, { 'f.csv': content, 'g.csv': 'a;b\n2;é\n' }]) {
      const { rows, quality } = await refine(files)
      expect(rows[0]).toBe('1|Ïðè')
      expect(quality).toMatchObject([{ rule: 'guessed_encoding', severity: 'warn', failed: 1 }])
      expect(quality[0]?.detail).toContain(
        'f.csv was taken for windows-1252, since 3 of its 10 bytes (30%) are not UTF-8',
      )
    }
  })

  test('all bytes decide: odd ones after the first megabyte too, and one of them does not make a file western', async () => {
    const line = Buffer.from('1;abc\n')
    const header = Buffer.from('a;b\n')
    const long = Buffer.alloc(line.length * 200_000, line)
    const western = await refine(Buffer.concat([header, long, Buffer.from('2;caf\xe9\n', 'latin1')]))
    expect(western.rows.at(-1)).toBe('2|café')
    expect(western.quality).toMatchObject([{ rule: 'guessed_encoding' }])
    const damaged = await refine(
      Buffer.concat([header, Buffer.from('0;x'), Buffer.of(0xff), Buffer.from('\n'), long, Buffer.from('2;é\n3;ü\n')]),
    )
    expect(damaged.rejects).toEqual([['encoding', 2, 'bytes that are not utf-8', '0;x\u{fffd}']])
    expect(damaged.quality).toMatchObject([{ rule: 'encoding', failed: 1 }])
  })

  test('bytes that a declared encoding does not have cost their row', async () => {
    const bytes = (...some: number[]) => Buffer.of(...some)
    const content = Buffer.concat([Buffer.from('a;b\n1;x'), bytes(0x81), Buffer.from('\n2;'), bytes(0x93, 0xfa, 0x0a)])
    const { rows, rejects } = await refine(content, { encoding: 'shift_jis' })
    expect(rows).toEqual(['2|日'])
    expect(rejects).toMatchObject([['encoding', 2, 'bytes that are not shift_jis', expect.any(String)]])
  })

  test('UTF-16 without a byte order mark is found in any language', async () => {
    const text = `a;b\n${'1;Привет дорогой мир\n'.repeat(3)}`
    for (const content of [Buffer.from(text, 'utf16le'), Buffer.from(text, 'utf16le').swap16()]) {
      const { rows } = await refine(content)
      expect(rows[0]).toBe('1|Привет дорогой мир')
    }
  })
})

describe('wide tables', () => {
  test('a row of 1,000 columns of text is refined within the usual limit of memory', async () => {
    const names = Array.from({ length: 1000 }, (_, index) => `c${index}`)
    await using usual = await aRefinery({ memoryBytes: 1024 ** 3 })
    const dataset = aDataset({ columns: names.map((name) => aColumn(name)) })
    const { balance } = await usual.refineFiles(dataset, {
      files: { 'f.csv': `${names.join(';')}\n${names.map((name) => `a ${name}`).join(';')}\n` },
    })
    expect(balance).toMatchObject({ in: 1, out: 1 })
  })
})

test('what is written in a random dialect is read back the same', async () => {
  const text = fc.string({
    unit: fc.constantFrom('a', '7', ' ', ';', ',', ':', '|', '"', "'", '\\', '\n', 'é', '#'),
    maxLength: 6,
  })
  const dialect = fc.record({
    delimiter: fc.constantFrom(',', ';', '\t', '::', '||', '¦'),
    quote: fc.constantFrom('"', "'"),
    escape: fc.constantFrom(undefined, '\\'),
    lineEnd: fc.constantFrom('\n', '\r\n'),
    encoding: fc.constantFrom(undefined, 'windows-1252', 'utf-16le'),
    preamble: fc.boolean(),
    comments: fc.boolean(),
    footer: fc.boolean(),
    trailing: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(dialect, fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 6 }), async (given, rows) => {
      const { delimiter, quote, escape, lineEnd, encoding } = given
      const cell = (value: string) => {
        const escaped =
          escape === undefined
            ? value
            : value.replaceAll(/["'\\]/g, (one) => (one === quote || one === '\\' ? `\\${one}` : one))
        return quote + (escape === undefined ? value.replaceAll(quote, quote + quote) : escaped) + quote
      }
      const lines = [
        ...(given.preamble ? ['Report "of, 2026', ''] : []),
        `a${delimiter}b`,
        ...rows.flatMap((row, index) => [
          ...(given.comments && index % 2 === 0 ? [`# it's a "comment${delimiter}`] : []),
          row.map(cell).join(delimiter) + (given.trailing ? delimiter : ''),
        ]),
        ...(given.footer ? [`Total${delimiter}${rows.length}`] : []),
      ]
      const written = lines.map((line) => line + lineEnd).join('')
      const content =
        encoding === 'utf-16le'
          ? Buffer.from(written, 'utf16le')
          : Buffer.from(written, encoding === undefined ? 'utf8' : 'latin1')
      const found = await refine(content, {
        delimiter,
        quote,
        ...(escape === undefined ? {} : { escape }),
        ...(encoding === undefined ? {} : { encoding }),
        ...(given.preamble ? { skip: 2 } : {}),
        ...(given.comments ? { comment: '# ' } : {}),
        ...(given.footer ? { footer: 1 } : {}),
      })
      const expected = new Set(rows.map((row) => row.map((value) => value.trim() || '∅').join('|')))
      expect(found.rejects).toEqual([])
      expect(new Set(found.rows)).toEqual(expected)
    }),
    { numRuns: 60 },
  )
})
