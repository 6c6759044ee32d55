import fc from 'fast-check'
import { expect, test } from 'vitest'
import { csvCells } from './record.ts'
import { RowBuffer } from './row-buffer.ts'

type Cells = readonly (string | null | undefined)[]
const bytesOf = (rows: readonly Cells[]) => Buffer.from(rows.map((cells) => `${csvCells(cells)}\n`).join(''))

test('it holds the bytes of the rows, whatever the cells hold, and grows with them', () => {
  const character = fc.constantFrom(...Array.from('a9" ,;\t\r\n\u00a0éß\u1680\u2003中\ufeff\ud83d\ude00\ud83d'))
  const text = fc.oneof(fc.string({ unit: character, maxLength: 6 }), fc.string({ unit: 'binary' }))
  const rows = fc.array(fc.array(fc.option(text)))
  fc.assert(
    fc.property(rows, (rows) => {
      const buffer = new RowBuffer(8)
      for (const cells of rows) buffer.add(cells)
      expect(buffer.bytes).toEqual(bytesOf(rows))
    }),
    { numRuns: 1000 },
  )
})

test('each character of the basic plane, at the edge of a cell, within it, and in a long one', () => {
  const buffer = new RowBuffer(64)
  const differing: number[] = []
  for (let code = 0; code <= 0xffff; code += 1) {
    const one = String.fromCharCode(code)
    const cells = [one, `${one}a`, `a${one}`, `a${one}a`, code % 64 === 0 ? one.repeat(300) : null]
    buffer.clear()
    buffer.add(cells)
    if (!buffer.bytes.equals(bytesOf([cells]))) differing.push(code)
  }
  expect(differing).toEqual([])
})

test('rows that are taken back, and those before a clearing, are gone', () => {
  const buffer = new RowBuffer(4)
  buffer.add(['kept'])
  const { length } = buffer
  buffer.add(['taken', 'back'])
  buffer.truncate(length)
  buffer.add(['next'])
  expect(buffer.bytes.toString()).toBe('kept\nnext\n')

  buffer.clear()
  buffer.add([null, ''])
  expect(buffer.bytes.toString()).toBe(',""\n')
})
