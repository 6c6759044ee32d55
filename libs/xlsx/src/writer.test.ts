import { temporaryDirectory } from '@cinelake/testkit'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openPromise } from 'yauzl'
import { countXlsxRows } from './count-rows.ts'
import { XlsxWriter, type XlsxCell } from './writer.ts'

/** The XML of the first sheet, and the rows that are counted. */
async function written(rows: readonly (readonly XlsxCell[])[]) {
  await using directory = await temporaryDirectory()
  const file = join(directory.path, 'rows.xlsx')
  {
    await using handle = await open(file, 'w')
    const workbook = new XlsxWriter(handle, ['a'], { sheet: 'titles' })
    await workbook.add(rows)
    await workbook.end()
  }
  const archive = await openPromise(file)
  let xml = ''
  for await (const entry of archive.eachEntry()) {
    if (!entry.fileName.endsWith('/sheet1.xml')) continue
    for await (const piece of await archive.openReadStreamPromise(entry)) xml += String(piece)
  }
  archive.close()
  return { xml, count: await countXlsxRows(file) }
}

test.each([
  // A reader decodes what looks like an escape.
  ['_x0041_', '_x005F_x0041_'],
  ['_x0041', '_x0041'],
  ['_x0041_x0042_', '_x005F_x0041_x005F_x0042_'],
  ['a\u0001', 'a_x0001_'],
  ['a\r\n<&>', 'a&#13;\n&lt;&amp;&gt;'],
  ['=1+1', '=1+1'],
])('the text %j is %j', async (text, expected) => {
  const { xml } = await written([[{ kind: 'text', text }]])
  expect(xml).toContain(`<c r="A2" t="inlineStr"><is><t xml:space="preserve">${expected}</t></is></c>`)
})

test.each([
  ['instant', '2026-03-01T12:00:00.500000Z', '<c r="A2" s="2"><v>46082.500005787035</v></c>'],
  ['instant', '2026-03-01T12:00:00.000001Z', '>2026-03-01T12:00:00.000001Z</t>'],
  ['instant', '2026-03-01T12:00:00.1234Z', '>2026-03-01T12:00:00.1234Z</t>'],
  ['date', '1900-02-28', '>1900-02-28</t>'],
  ['double', '0.30000000000000004', '<v>0.30000000000000004</v>'],
  ['double', '1e+308', '>1e+308</t>'],
  ['double', '5e-324', '>5e-324</t>'],
  ['number', '1234567890123456', '>1234567890123456</t>'],
] as const)('%s %s is exact', async (kind, text, expected) => {
  const { xml } = await written([[{ kind, text }]])
  expect(xml).toContain(expected)
})

test('rows are counted with the header, whatever their texts', async () => {
  const rows = Array.from({ length: 5000 }, (): XlsxCell[] => [{ kind: 'text', text: '<row r="1">' }])
  expect((await written(rows)).count).toBe(5001)
})
