import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MAX_RECORD_BYTES, splitFields } from './record.ts'
import { RecordIndex } from './record-index.ts'
import { RecordScanner, type RecordShape } from './scan.ts'

const dialect = { delimiter: ',', quote: '"' }

type Found = { readonly shape: RecordShape; readonly text: string; readonly line: number }

/** What a scanner tells of a text that comes in pieces. */
function scan(text: string, fieldCount: number, pieces = [text.length]): Found[] {
  const found: Found[] = []
  const scanner = new RecordScanner({
    dialect,
    fieldCount,
    sink: (shape, bytes, start, end, lineCount) => {
      found.push({ shape, text: Buffer.from(bytes.subarray(start, end)).toString(), line: lineCount + 1 })
    },
  })
  feed(scanner, Buffer.from(text), pieces)
  return found
}

function feed(scanner: RecordScanner, bytes: Buffer, pieces: readonly number[]): void {
  let from = 0
  let to = 0
  for (const piece of pieces) {
    to = Math.min(bytes.length, to + piece)
    // A copy of just these bytes: what follows must not be looked at.
    from += scanner.scan(Buffer.from(bytes.subarray(from, to)), 0, to - from, from, false)
  }
  scanner.scan(Buffer.from(bytes.subarray(from)), 0, bytes.length - from, from, true)
}

describe('records', () => {
  test.each([
    ['a,b\nc,d\n', ['plain', 'plain']],
    ['a,b\r\nc,d', ['plain', 'plain']],
    ['a,b\rc,d\r', ['plain', 'plain']],
    ['a,"x\ny"\nc,d', ['plain', 'plain']],
    ['a,"x""y"\n', ['plain']],
    ['a,""\n"",b\n', ['plain', 'plain']],
    ['a,b\n\nc,d\n\n', ['plain', 'blank', 'plain', 'blank']],
    ['a\nb,c,d\n', ['misshapen', 'misshapen']],
    ['a,37.8"N\n', ['loose']],
    ['a, "x, y" \n', ['loose']],
    ['a,so "quoted" he\n', ['loose']],
    ['a,"x" y\nc,d\n', ['misshapen', 'plain']],
    ['a,x\0y\n', ['misshapen']],
  ])('%j is %j', (text, shapes) => {
    expect(scan(text, 2).map(({ shape }) => shape)).toEqual(shapes)
  })

  test('an empty line of a file with one column is a record without a value', () => {
    expect(scan('a\n\n', 1).map(({ shape, text }) => [shape, text])).toEqual([
      ['plain', 'a'],
      ['plain', ''],
    ])
  })

  test('a quote that is never closed costs its line and not the rest of the file', () => {
    expect(scan('a,b\nc,"oops\ne,f\ng,h\n', 2)).toEqual([
      { shape: 'plain', text: 'a,b', line: 1 },
      { shape: 'misshapen', text: 'c,"oops', line: 2 },
      { shape: 'plain', text: 'e,f', line: 3 },
      { shape: 'plain', text: 'g,h', line: 4 },
    ])
  })

  test('a stray quote that meets the quote of a later field costs its line alone', () => {
    const shapes = scan('a,b\nc,"oops\ne,"f, g"\nh,i\n', 2).map(({ shape }) => shape)
    expect(shapes).toEqual(['plain', 'misshapen', 'plain', 'plain'])
  })

  test('lines are counted as an editor shows them, within quotes too', () => {
    expect(scan('a,"1\r\n2\n3\r4"\r\nb,c\r\n', 2).map(({ line }) => line)).toEqual([1, 5])
  })

  test('a record beyond the limit is given up, and the next line is read again', () => {
    const long = `a,${'x'.repeat(MAX_RECORD_BYTES + 10)}`
    const pieces = [1_000_000, 1_000_000, 1_000_000, 1_000_000]
    expect(scan(`${long}\nb,c\n`, 2, pieces).map(({ shape, line }) => [shape, line])).toEqual([
      ['misshapen', 1],
      ['plain', 2],
    ])
  })

  test('a quote that is not closed within the limit costs its line', () => {
    const rows = 'row,with some text\n'.repeat(MAX_RECORD_BYTES / 10)
    const found = scan(
      `a,"oops\n${rows}`,
      2,
      Array.from({ length: 10 }, () => 1_000_000),
    )
    expect(found[0]).toMatchObject({ shape: 'misshapen', text: 'a,"oops' })
    expect(found.slice(1).every(({ shape }) => shape === 'plain')).toBe(true)
    expect(found).toHaveLength(1 + MAX_RECORD_BYTES / 10)
  })
})

const dirtyText = fc.string({ unit: fc.constantFrom('a', ' ', '"', ',', '\n', '\r\n', '\r', 'é', '\0'), maxLength: 60 })

test('where chunks end makes no difference', () => {
  fc.assert(
    fc.property(
      dirtyText,
      fc.integer({ min: 1, max: 3 }),
      fc.array(fc.integer({ min: 1, max: 5 })),
      (text, fieldCount, pieces) => {
        expect(scan(text, fieldCount, pieces)).toEqual(scan(text, fieldCount))
      },
    ),
    { numRuns: 2000 },
  )
})

test('the fast path without a sink counts what the careful one does', () => {
  fc.assert(
    fc.property(
      dirtyText,
      fc.integer({ min: 1, max: 3 }),
      fc.array(fc.integer({ min: 1, max: 5 })),
      (text, fieldCount, pieces) => {
        const counts = (sink?: () => void) => {
          const index = new RecordIndex()
          const scanner = new RecordScanner({ dialect, fieldCount, index, ...(sink && { sink }) })
          feed(scanner, Buffer.from(text), pieces)
          const { recordCount, looseCount, misshapenCount, lineCount, ends } = scanner
          return {
            recordCount,
            looseCount,
            misshapenCount,
            lineCount,
            ends,
            first: recordCount > 0 ? index.placesAround(0) : undefined,
          }
        }
        expect(counts()).toEqual(counts(() => undefined))
      },
    ),
    { numRuns: 2000 },
  )
})

test('what is written with quotes around everything comes back', () => {
  const field = fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0'))
  fc.assert(
    fc.property(fc.array(fc.array(field, { minLength: 3, maxLength: 3 })), (rows) => {
      const lines = rows.map((row) => row.map((text) => `"${text.replaceAll('"', '""')}"`).join(','))
      const found = scan(lines.join('\n'), 3)
      expect(found.every(({ shape }) => shape === 'plain')).toBe(true)
      expect(found.map((record) => splitFields(Buffer.from(record.text), dialect))).toEqual(rows)
    }),
  )
})

test('an index leads to the stretch that holds a record, however large the file', () => {
  const index = new RecordIndex()
  const recordCount = 20_000_000
  for (let ordinal = 0; ordinal < recordCount; ordinal++) index.visit(ordinal, ordinal * 60, ordinal)
  for (const ordinal of [0, 1, 4095, 9_999_999, recordCount - 1]) {
    const { from, to } = index.placesAround(ordinal)
    expect(from).toEqual({ ordinal: from.ordinal, offset: from.ordinal * 60, lineCount: from.ordinal })
    expect(from.ordinal).toBeLessThanOrEqual(ordinal)
    expect(to?.ordinal ?? recordCount).toBeGreaterThan(ordinal)
    expect((to?.ordinal ?? recordCount) - from.ordinal).toBeLessThanOrEqual(512)
  }
})
