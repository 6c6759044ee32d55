// @module-tag slow: takes long
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { aColumn, aDataset, aRefinery, type Refinery } from '../refine/refinery.fixture.ts'

const dataset = aDataset({
  columns: [
    aColumn('id', { type: 'INTEGER', required: true }),
    aColumn('note'),
    aColumn('price', { type: 'DECIMAL(10,2)' }),
  ],
  contract: { primaryKey: ['id'] },
})

let refinery: Refinery
beforeEach(async () => {
  refinery = await aRefinery()
})
afterEach(() => refinery[Symbol.asyncDispose]())

const rowsOf = async (table: string, columns: string) => await refinery.rowsOf(table, 'ALL', columns)

describe('many small files', () => {
  test('give the same table and the same rejects as one file of their rows, each by file and line', async () => {
    const HEADER = 'id,note,price\n'
    /** Good rows, a number that is none, a row too short, quotes that are off, a stray quote, an id that came before. */
    const rowFor = (n: number) =>
      n % 50 === 7
        ? `x${n},bad,1\n`
        : n % 50 === 11
          ? `${n},short\n`
          : n % 50 === 19
            ? `${n}, "loose" ,2.5\n`
            : n % 50 === 23
              ? `${n},"two\nlines ${n}",no price\n`
              : n % 50 === 31
                ? `${n},"open,1\n`
                : n % 50 === 43
                  ? `${n - 1},newer,${n}\n`
                  : `${n},note ${n},${n}.25\n`
    const rows = Array.from({ length: 500 }, (_, n) => rowFor(n))
    const name = (n: number) => `orders-${String(n).padStart(3, '0')}.csv`
    const files = Object.fromEntries(rows.map((row, n) => [name(n), HEADER + row]))
    const whole = { ...dataset, name: 'whole' }

    const many = await refinery.refineFiles(dataset, { files })
    const one = await refinery.refineFiles(whole, { files: { 'all.csv': HEADER + rows.join('') } })

    expect(many.balance).toEqual(one.balance)
    expect(many.rejects).toEqual(one.rejects)
    expect(many.balance).toMatchObject({ in: 500, rejected: 40, duplicates: 10 })
    expect(await rowsOf('orders', 'id, note, price')).toEqual(await rowsOf('whole', 'id, note, price'))
    const rejected = await rowsOf('_rejects/orders', 'file, line, rule, raw')
    expect(rejected).toEqual(
      Array.from(rows.keys())
        .filter((n) => [7, 11, 23, 31].includes(n % 50))
        .map((n) => ({
          file: name(n),
          line: 2,
          rule: n % 50 === 7 ? 'type(id)' : n % 50 === 23 ? 'type(price)' : 'row_shape',
          raw: rows[n]?.trimEnd(),
        })),
    )
  })

  test('may be written in any ways, in turns: each is read by its own header, delimiter and encoding', async () => {
    const files = {
      'a.csv': 'id,note\n1,a\n',
      'b.csv': '\u{feff}note;id;other\r\nb;2;z\r\n',
      'c.csv': Buffer.from('id\tnote\n3\té\n', 'latin1'),
      'd.csv': Buffer.from('\u{feff}id,note\n4,d\n', 'utf16le'),
      'e.csv': '\nID,Note\n\n5,e\n6,"f""g"\nx,bad\n',
      'f.csv': 'id,note\n1,newest\n',
      'g.csv': 'id,note,price\n',
      'h.csv': Buffer.concat([Buffer.from('id,note\n7,é\n8,'), Buffer.from([0xff]), Buffer.from('\n')]),
      ...Object.fromEntries(Array.from({ length: 12 }, (_, n) => [`z${n}.csv`, `id,extra ${n}\n${100 + n},x\n`])),
    }

    const outcome = await refinery.refineFiles(dataset, { files })

    expect(outcome.balance).toMatchObject({ in: 22, out: 19, rejected: 2, duplicates: 1 })
    expect((await rowsOf('orders', 'id, note')).filter(({ id }) => Number(id) < 100)).toEqual([
      { id: 1, note: 'newest' },
      { id: 2, note: 'b' },
      { id: 3, note: 'é' },
      { id: 4, note: 'd' },
      { id: 5, note: 'e' },
      { id: 6, note: 'f"g' },
      { id: 7, note: 'é' },
    ])
    expect(await rowsOf('_rejects/orders', 'file, line, rule')).toEqual([
      { file: 'e.csv', line: 6, rule: 'type(id)' },
      { file: 'h.csv', line: 3, rule: 'encoding' },
    ])
    expect(outcome.quality).toContainEqual(
      expect.objectContaining({ rule: 'unknown_columns', checked: 20, failed: 13 }),
    )
  })

  test('of which one cannot be read are told by its name', async () => {
    const files = { 'a.csv': 'id,note\n1,a\n', 'b.csv': 'something,else\n1,2\n', 'c.csv': 'id,note\n2,b\n' }

    await expect(refinery.refineFiles(dataset, { files })).rejects.toMatchObject({
      code: 'REFINE_HEADER_MISMATCH',
      message: expect.stringContaining('file=b.csv'),
    })
  })

  test('whatever is in them give as many rows and rejects as each alone', async () => {
    const text = fc
      .array(fc.constantFrom('1', '2', 'x', ',', ',', '"', '\n', '\r\n', ' ', 'é', ';'), { maxLength: 12 })
      .map((parts) => `id,note,price\n${parts.join('')}`)
    const columns = aDataset({ columns: dataset.contract.columns, mode: 'snapshot' })
    let day = 0
    await fc.assert(
      fc.asyncProperty(fc.array(text, { minLength: 2, maxLength: 4 }), async (texts) => {
        day += 1
        const files = Object.fromEntries(texts.map((each, n) => [`${n}.csv`, each]))
        const together = await refinery.refineFiles({ ...columns, name: `many${day}` }, { files })
        const rejects = await rowsOf(`_rejects/many${day}`, 'file, line, rule, raw')

        const alone: unknown[] = []
        let rowCount = 0
        for (const [n, each] of texts.entries()) {
          const table = `one${day}_${n}`
          const { balance } = await refinery.refineFiles({ ...columns, name: table }, { files: { [`${n}.csv`]: each } })
          rowCount += balance.in
          alone.push(...(await rowsOf(`_rejects/${table}`, 'file, line, rule, raw')))
        }
        expect(together.balance.in).toBe(rowCount)
        expect(rejects).toEqual(alone)
      }),
      { numRuns: 25 },
    )
  })
})
