import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { SqlEngine, SqlSession } from '@cinelake/engine'
import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import type { FileReading } from '@cinelake/pipeline'
import { temporaryDirectory } from '@cinelake/testkit'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { RecordLocator, type LocatedRecord } from './locate.ts'
import { makeReadable, type CsvSource, type ReadableCsv } from './readable.ts'
import { csvRelation, fieldColumn, FLAG_COLUMN } from './relation.ts'
import { FileUnreadableError } from '../refine/errors.ts'
import { aColumn } from '../refine/refinery.fixture.ts'

let directory: Awaited<ReturnType<typeof temporaryDirectory>>
let engine: SqlEngine
let session: SqlSession

beforeAll(async () => {
  directory = await temporaryDirectory()
  engine = await createDuckDbEngine({
    memoryBytes: 256 * 1024 * 1024,
    threads: 2,
    scratchDirectory: join(directory.path, 'scratch'),
    directories: [directory.path],
  })
  session = await engine.session()
})
afterAll(async () => {
  await engine[Symbol.asyncDispose]()
  await directory[Symbol.asyncDispose]()
})

const NAMES = ['a', 'b', 'c']
const columnsOf = (count: number) => NAMES.slice(0, count).map((name) => aColumn(name))

async function readable(
  content: string | Uint8Array,
  columnCount: number,
  reading: Partial<FileReading> = {},
  source: Partial<CsvSource> = {},
): Promise<ReadableCsv> {
  const file = join(directory.path, 'file.csv')
  await writeFile(file, content)
  return await makeReadable({
    name: 'file.csv',
    file,
    columns: columnsOf(columnCount),
    reading: { header: true, nulls: [], ...reading },
    copyTo: join(directory.path, 'copy.csv'),
    ...source,
  })
}

/** The rows as the engine reads them, misshapen ones as undefined. A field without text is `''`. */
async function rowsOf(csv: ReadableCsv): Promise<(string[] | undefined)[]> {
  const rows = await session.rows<Record<string, string | null>>(`SELECT * FROM ${csvRelation(csv, false)}`)
  return rows.map((row) =>
    /^[xd]/.test(row[FLAG_COLUMN] ?? '') ? undefined : csv.places.map((place) => row[fieldColumn(place ?? -1)] ?? ''),
  )
}

/** Reads as a refine does: where the engine does not find what was counted, from a copy. */
async function readRows(content: string | Uint8Array, columnCount: number, reading: Partial<FileReading> = {}) {
  const csv = await readable(content, columnCount, reading)
  const rows = await rowsOf(csv)
  if (rows.length === csv.recordCount) return { csv, rows }
  const copy = await readable(content, columnCount, reading, { mustCopy: true })
  return { csv: copy, rows: await rowsOf(copy) }
}

async function locateAll(csv: ReadableCsv): Promise<LocatedRecord[]> {
  await using locator = await RecordLocator.open(csv)
  return await locator.locate(Array.from({ length: csv.recordCount }, (_, ordinal) => ordinal))
}

describe('a file as usual', () => {
  test.each([
    ['LF', 'a,b\n1,2\n3,4\n'],
    ['CRLF', 'a,b\r\n1,2\r\n3,4\r\n'],
    ['no line end at the end', 'a,b\n1,2\n3,4'],
    ['blank lines', 'a,b\n\n1,2\n\n3,4\n\n'],
    ['a byte order mark', '\u{feff}a,b\n1,2\n3,4\n'],
    ['quotes', '"a","b"\n"1","2"\n"3","4"\n'],
    ['other delimiters', 'a;b\n1;2\n3;4\n'],
  ])('is read where it is: %s', async (_, content) => {
    const csv = await readable(content, 2)
    expect(csv.isCopy).toBe(false)
    expect(await rowsOf(csv)).toEqual([
      ['1', '2'],
      ['3', '4'],
    ])
  })
})

describe('a file that is not as usual', () => {
  test.each([
    ['mixed line ends', 'a,b\n1,2\r\n3,4\r'],
    ['CR alone', 'a,b\r1,2\r3,4\r'],
    ['UTF-16LE', Buffer.from('\u{feff}a,b\r\n1,2\r\n3,4\r\n', 'utf16le')],
    ['UTF-16BE without a mark', Buffer.from('a,b\r\n1,2\r\n3,4\r\n', 'utf16le').swap16()],
    ['spaces around quotes', 'a,b\n1, "2"\n"3" ,4\n'],
  ])('is made so: %s', async (_, content) => {
    const csv = await readable(content, 2)
    expect(csv.isCopy).toBe(true)
    expect(await rowsOf(csv)).toEqual([
      ['1', '2'],
      ['3', '4'],
    ])
  })

  test('windows-1252 is what is not UTF-8', async () => {
    const csv = await readable(Buffer.from('a,b\nAm\u{e9}lie,\u{80}\n', 'latin1'), 2)
    expect(csv.encoding).toBe('windows-1252')
    expect(await rowsOf(csv)).toEqual([['Amélie', '€']])
  })

  test('a UTF-8 file with a damaged character stays UTF-8, without the row', async () => {
    const content = Buffer.concat([Buffer.from('a,b\né,1\nx'), Buffer.of(0xe9), Buffer.from(',2\nü,3\n')])
    const csv = await readable(content, 2)
    expect(csv.encoding).toBe('utf-8')
    expect(await rowsOf(csv)).toEqual([['é', '1'], undefined, ['ü', '3']])
  })

  test('a declared encoding is taken at its word', async () => {
    const csv = await readable(Buffer.from('a,b\n1,\u{80}\n', 'latin1'), 2, { encoding: 'iso-8859-1' })
    expect(await rowsOf(csv)).toEqual([['1', '\u{80}']])
  })

  test('a byte that the declared encoding does not have costs its row, and in UTF-16 the file', async () => {
    const content = Buffer.concat([Buffer.from('a,b\né,1\nx'), Buffer.of(0xe9), Buffer.from(',2\n')])
    expect(await rowsOf(await readable(content, 2, { encoding: 'utf-8' }))).toEqual([['é', '1'], undefined])
    const error = await readable(Buffer.from('a,b\n1', 'utf16le').subarray(0, 9), 2, { encoding: 'utf-16le' }).catch(
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(FileUnreadableError)
    expect(error).toMatchObject({ code: 'REFINE_FILE_UNREADABLE', context: { file: 'file.csv', byte: 8 } })
  })
})

describe('a header that does not fit', () => {
  const required = { columns: [aColumn('a', { required: true }), aColumn('b')] }

  test('is told with what was found and what was expected', async () => {
    const error = await readable('b,x\n1,2\n', 2, {}, required).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'REFINE_HEADER_MISMATCH' })
    expect(error).toMatchObject({
      message: expect.stringMatching(
        /file=file.csv line=1.*expected a header with `a`.*`a` \(`a`\) is missing: found `b`, `x`/,
      ),
    })
  })

  test('is not repeated where it may be a row of data', async () => {
    const error = await readable('Jane,jane@example.org\n', 2, {}, required).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ message: expect.not.stringContaining('jane'), code: 'REFINE_HEADER_MISMATCH' })
  })

  test.each([
    ['PAR1\u0015\u0004\u0015\u0010PAR1', 'a Parquet file'],
    ['PK\u0003\u0004\u0014\0\u0006\0\b\0\0\0!\0[Content_Types].xml', 'an Office document (such as XLSX)'],
    ['[{"a":1,"b":"2"}]', 'JSON'],
    ['{"a":1}\n{"a":2}\n', 'JSON, an object a line'],
    ['<?xml version="1.0"?>\n<a/>', 'XML'],
  ])('is told for what it is where the file is none of CSV: %j', async (content, format) => {
    const error = await readable(content, 2, {}, required).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      code: 'REFINE_FILE_FORMAT',
      message: expect.stringContaining(
        `[file=file.csv]: expected CSV, plain or packed with gzip, zip or zstd, got ${format};`,
      ),
    })
  })

  test.each(['', '\n\n'])('is missing from %j', async (content) => {
    await expect(readable(content, 2)).rejects.toMatchObject({
      message: expect.stringContaining('a file without any record'),
    })
  })
})

const field = fc
  .string({
    unit: fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom('x', ' ', '"', ',', ';', '\t', '|', '\n', '\r\n', '\r', "'", '#') },
      { weight: 1, arbitrary: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }) },
    ),
    maxLength: 12,
  })
  .filter((text) => !text.includes('\0'))
const western = fc.string({ unit: fc.constantFrom('x', 'é', '€', '"', ',', ' ', '\n'), maxLength: 12 })
const dialects = fc.record({
  delimiter: fc.constantFrom(',', ';', '\t', '|'),
  lineEnd: fc.constantFrom('\n', '\r\n', '\r'),
  quoteAll: fc.boolean(),
  endsWithLine: fc.boolean(),
})

const encodings = {
  'utf-8': (text: string) => Buffer.from(text),
  'utf-8 with a mark': (text: string) => Buffer.from(`\u{feff}${text}`),
  'utf-16le': (text: string) => Buffer.from(`\u{feff}${text}`, 'utf16le'),
  'utf-16be': (text: string) => Buffer.from(`\u{feff}${text}`, 'utf16le').swap16(),
  'windows-1252': (text: string) => Buffer.from(text.replaceAll('€', '\u{80}'), 'latin1'),
}

type Dialect = {
  readonly delimiter: string
  readonly lineEnd: string
  readonly quoteAll: boolean
  readonly endsWithLine: boolean
}

function written(
  rows: readonly (readonly string[])[],
  { delimiter, lineEnd, quoteAll, endsWithLine }: Dialect,
): string {
  const needsQuotes = (text: string) => quoteAll || /^ | $|["\r\n]/.test(text) || text.includes(delimiter)
  const write = (text: string) => (needsQuotes(text) ? `"${text.replaceAll('"', '""')}"` : text)
  return rows.map((row) => row.map(write).join(delimiter)).join(lineEnd) + (endsWithLine ? lineEnd : '')
}

test('rows come back however they are written', async () => {
  const table = fc.integer({ min: 1, max: 3 }).chain((width) =>
    fc.constantFrom(...(Object.keys(encodings) as (keyof typeof encodings)[])).chain((encoding) => {
      const row = fc.array(encoding === 'windows-1252' ? western : field, { minLength: width, maxLength: width })
      return fc.record({
        encoding: fc.constant(encoding),
        rows: fc.array(row, { minLength: 1, maxLength: 8 }),
        dialect: dialects,
      })
    }),
  )
  await fc.assert(
    fc.asyncProperty(table, async ({ encoding, rows, dialect }) => {
      const width = rows[0]?.length ?? 0
      // Without a line end after it, a last record that is an empty line is not there.
      const content = written([NAMES.slice(0, width), ...rows], {
        ...dialect,
        endsWithLine: dialect.endsWithLine || rows.at(-1)?.join('') === '',
      })
      const declared = encoding === 'windows-1252' ? { encoding } : {}
      const found = await readRows(encodings[encoding](content), width, declared)
      expect(found.rows).toEqual(rows)
    }),
    { numRuns: 200 },
  )
})

test('whatever a file holds, the engine finds the records that were counted, on the lines where they are', async () => {
  const line = fc.string({
    unit: fc.constantFrom('a', 'b', ' ', '"', ',', '\n', '\r\n', '\r', 'é', '\0', ';', "'"),
    maxLength: 40,
  })
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 3 }),
      fc.array(line, { maxLength: 6 }),
      fc.constantFrom('\n', '\r\n'),
      async (width, lines, lineEnd) => {
        const content = [NAMES.slice(0, width).join(','), ...lines].join(lineEnd)
        const { csv, rows } = await readRows(content, width, { delimiter: ',' })
        expect(rows).toHaveLength(csv.recordCount)
        const physical = content.replaceAll('\0', '␀').split(/\r\n|\n|\r/)
        for (const { line: number, raw } of await locateAll(csv))
          expect(raw.split(/\r\n|\n|\r/)[0]).toBe(physical[number - 1])
      },
    ),
    { numRuns: 200 },
  )
})

test('records of a large file are found without reading all of it', async () => {
  const rows = Array.from({ length: 50_000 }, (_, row) => `${row},"text ${row}\n second line"`)
  const csv = await readable(`a,b\n${rows.join('\n')}\n`, 2)
  await using locator = await RecordLocator.open(csv)
  expect(csv.isCopy).toBe(false)
  expect(await locator.locate([0, 1, 49_999])).toEqual(
    [0, 1, 49_999].map((ordinal) => ({ ordinal, line: 2 + 2 * ordinal, raw: rows[ordinal] })),
  )
})

test('the text of a rejected row is kept up to a limit', async () => {
  const long = 'é'.repeat(40_000)
  const csv = await readable(`a,b\n${long}\nx,y\n`, 2)
  const [first, second] = await locateAll(csv)
  expect(first?.raw).toBe(`${'é'.repeat(32_768)}…`)
  expect(second).toMatchObject({ line: 3, raw: 'x,y' })
})
