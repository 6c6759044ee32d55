import { isUtf8 } from 'node:buffer'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createTranscoder, guessEncoding, InvalidBytes, Utf8Check } from './text-encoding.ts'

const bytes = (...values: (number | string)[]) =>
  Buffer.concat(values.map((value) => (typeof value === 'number' ? Buffer.of(value) : Buffer.from(value))))
const utf16le = (text: string) => Buffer.from(text, 'utf16le')
const utf16be = (text: string) => Buffer.from(text, 'utf16le').swap16()

describe('guess', () => {
  test.each([
    ['plain text', bytes('id,name'), { encoding: 'utf-8', markLength: 0, isCertain: false }],
    ['a UTF-8 mark', bytes(0xef, 0xbb, 0xbf, 'id'), { encoding: 'utf-8', markLength: 3, isCertain: true }],
    ['a UTF-16LE mark', bytes(0xff, 0xfe, utf16le('id').toString('latin1')), { encoding: 'utf-16le', markLength: 2 }],
    ['a UTF-16BE mark', bytes(0xfe, 0xff, utf16be('id').toString('latin1')), { encoding: 'utf-16be', markLength: 2 }],
    ['UTF-16LE without a mark', utf16le('id,name\r\n1,é'), { encoding: 'utf-16le', markLength: 0, isCertain: true }],
    ['UTF-16BE without a mark', utf16be('id,name\r\n1,é'), { encoding: 'utf-16be', markLength: 0 }],
    ['text with a NUL', bytes('id\n1\0'), { encoding: 'utf-8' }],
    ['nothing', Buffer.alloc(0), { encoding: 'utf-8' }],
  ])('%s', (_, head, guess) => {
    expect(guessEncoding(head)).toMatchObject(guess)
  })

  test('a declared encoding wins, and its own mark is still no text', () => {
    expect(guessEncoding(bytes(0xff, 0xfe, 'x'), 'utf-16le')).toMatchObject({ encoding: 'utf-16le', markLength: 2 })
    expect(guessEncoding(bytes(0xef, 0xbb, 0xbf), 'windows-1252')).toMatchObject({
      encoding: 'windows-1252',
      markLength: 0,
    })
  })
})

const anyBytes = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'grapheme' }).map((text) => Buffer.from(text)),
      fc.uint8Array({ maxLength: 3 }).map((array) => Buffer.from(array)),
    ),
  )
  .map((parts) => Buffer.concat(parts))
const cut = (content: Buffer, sizes: readonly number[]) => {
  const pieces: Buffer[] = []
  let at = 0
  for (const size of [...sizes, content.length]) {
    pieces.push(content.subarray(at, at + size))
    at = Math.min(content.length, at + size)
  }
  return pieces
}
const sizes = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 30 })

test('UTF-8 is told from other bytes wherever chunks end, with the first byte that is wrong', () => {
  fc.assert(
    fc.property(anyBytes, sizes, (content, pieces) => {
      const check = new Utf8Check()
      for (const piece of cut(content, pieces)) check.push(piece)
      check.end()
      expect(check.invalidAt === undefined).toBe(isUtf8(content))
      if (check.invalidAt === undefined) return
      expect(isUtf8(content.subarray(0, check.invalidAt))).toBe(true)
      expect(isUtf8(content.subarray(0, check.invalidAt + 4))).toBe(false)
    }),
    { numRuns: 2000 },
  )
})

describe('transcoding', () => {
  test.each([
    ['utf-8', (text: string) => Buffer.from(text)],
    ['utf-16le', utf16le],
    ['utf-16be', utf16be],
  ] as const)('%s gives back what was written, wherever chunks end', (encoding, write) => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), sizes, (text, pieces) => {
        const transcoder = createTranscoder(encoding)
        const parts = [
          ...cut(write(text), pieces).map((piece) => Buffer.from(transcoder.push(piece))),
          transcoder.end(),
        ]
        expect(Buffer.concat(parts).toString()).toBe(text)
      }),
      { numRuns: 500 },
    )
  })

  test('every byte of the western encodings is a character', () => {
    const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
    const western = Buffer.from(createTranscoder('windows-1252').push(all)).toString()
    const latin = Buffer.from(createTranscoder('iso-8859-1').push(all)).toString()
    expect([western[0x80], western[0xe9], western.length]).toEqual(['€', 'é', 256])
    expect([latin[0x80], latin[0xe9], latin.length]).toEqual(['\u{80}', 'é', 256])
  })

  test.each([
    ['utf-8', bytes('ab', 0xff, 'c'), 2],
    ['utf-8', bytes('ab', 0xc3), 2],
    ['utf-16le', bytes('a', 0, 0, 0xdc, 'b', 0), 2],
    ['utf-16le', bytes('a', 0, 0, 0xd8, 'b', 0), 2],
    ['utf-16be', bytes(0, 'a', 0), 2],
  ] as const)('a byte that is none in %s is told with its place', (encoding, content, offset) => {
    const decode = () => {
      const transcoder = createTranscoder(encoding, 10)
      return [...content].map((byte) => transcoder.push(Buffer.of(byte))).concat([transcoder.end()])
    }
    expect(decode).toThrow(InvalidBytes)
    expect(decode).toThrow(expect.objectContaining({ offset: 10 + offset }))
  })
})
