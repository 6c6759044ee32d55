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
const all = 'id, note, price, day, at, clock, ok'

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
    texts: '<si><t xml:space="preserve"> shared </t></si><si><r><t>rich</t></r><r><rPr/><t> text</t></r><rPh><t>no</t></rPh></si>',
    formats: [14, 'yyyy\\-mm\\-dd hh:mm:ss', '[$-409]h:mm AM/PM'],
  })
  const { balance } = await refinery.refineFiles(dataset, { files: { 'a.bin': book } })

  expect(balance).toMatchObject({ in: 3, out: 3 })
  expect(await refinery.rowsOf('orders', 'id', all)).toEqual([
    { id: 3, note: ' a\r_ ', price: null, day: null, at: null, clock: null, ok: null },
    { id: 1000, note: 'rich text', price: '1.2345', day: null, at: '2023-03-15T10:30:00Z', clock: null, ok: false },
    {
      id: 9007199254740993n,
      note: ' shared ',
      price: '4.1000',
      day: '2023-03-15',
      at: '2023-03-15T10:30:00Z',
      clock: '12:00:00',
      ok: true,
    },
  ])
})
