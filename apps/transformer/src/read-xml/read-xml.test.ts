import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { aColumn, aDataset, aRefinery, type Refinery } from '../refine/refinery.fixture.ts'

let refinery: Refinery
beforeEach(async () => {
  refinery = await aRefinery()
})
afterEach(() => refinery[Symbol.asyncDispose]())

const columns = [
  aColumn('id', { type: 'BIGINT', reading: { from: ['@id'] } }),
  aColumn('note'),
  aColumn('city', { reading: { from: ['address.city'] } }),
  aColumn('tags', { type: 'VARCHAR[]', reading: { from: ['tag'] } }),
]
const of = (reading: object = {}) => aDataset({ columns, reading })
const rowsOf = async () => await refinery.rowsOf('orders', 'id', 'id, note, city, tags')
const rejectsOf = async () => await refinery.rowsOf('_rejects/orders', 'line', 'file, line, rule, found, raw')

test('the elements in the root are the records, with their attributes and elements', async () => {
  const text = `<?xml version="1.0"?>
<!DOCTYPE orders [<!ENTITY x "y">]>
<orders xmlns:x="urn:x">
  <order id="1"><note> a &amp; <![CDATA[<b>]]> </note><address><city>K&#246;ln</city></address><tag>x</tag></order>
  <!-- <order id="9"/> -->
  <order id="2"><note/><tag>x</tag><tag/><tag>y</tag></order>
</orders>`
  await refinery.refineFiles(of(), { files: { 'a.txt': text } })
  expect(await rowsOf()).toEqual([
    { id: 1, note: ' a & <b> ', city: 'Köln', tags: ['x'] },
    { id: 2, note: null, city: null, tags: ['x', null, 'y'] },
  ])
})

test('the elements at a path are the records, whatever stands beside and above them', async () => {
  const text = '<r><n>2</n><a><o id="1"/></a><a><x id="7"/><o id="2"/><o id="x"/></a><o id="8"/></r>'
  await refinery.refineFiles(of({ format: 'xml', records: '$.r.a.o' }), { files: { 'a.xml': text } })
  expect((await rowsOf()).map(({ id }) => id)).toEqual([1, 2])
  expect(await rejectsOf()).toMatchObject([{ file: 'a.xml /r/a[2]/o[2]', rule: 'type(id)', raw: '<o id="x"/>' }])
})

test('a record that is none is rejected alone, with its path and line', async () => {
  const long = `<o id="3"><note>${'a'.repeat(17 * 1024 * 1024)}</note></o>`
  const text = Buffer.concat([
    Buffer.from('<r>\n<o id="1"><note>Zoë</note></o>\n<o>text</o>\n'),
    Buffer.from('<o id="2"><note>Ren\xe9</note></o>\n', 'latin1'),
    Buffer.from(`${long}\n<o id="4"/>\n<o id="5"><id>5</id></o></r>`),
  ])
  const twice = aDataset({
    columns: [aColumn('id', { type: 'BIGINT', reading: { from: ['@id', 'id'] } }), ...columns.slice(1)],
  })
  const { balance } = await refinery.refineFiles(twice, { files: { 'a.xml': text } })
  expect(balance).toMatchObject({ in: 6, out: 3, rejected: 3 })
  expect(await rejectsOf()).toMatchObject([
    { file: 'a.xml /r/o[2]', line: 3, rule: 'row_shape', found: ['a text in place of an object'], raw: '<o>text</o>' },
    { file: 'a.xml /r/o[3]', line: 4, found: ['bytes that its encoding does not have'] },
    { file: 'a.xml /r/o[4]', line: 5, found: [expect.stringContaining('a record of more than')] },
  ])
})

test.each([
  ['is cut off', '<r><o id="1"/><o id="2"', 'not well-formed'],
  ['ends early', '<r><o id="1"/>', 'not well-formed'],
  ['has crossed tags', '<r><o><a></o></a></r>', 'not well-formed'],
  ['has entities of its own', '<!DOCTYPE r [<!ENTITY x "y">]><r><o>&x;</o></r>', 'not well-formed'],
  ['has an attribute twice', '<r><o id="1" id="2"/></r>', 'attribute twice'],
  ['has several kinds of elements', '<r><o id="1"/><p id="2"/></r>', 'records: $.r.o'],
  ['has no element', '<!-- <r/> -->', 'no element'],
  [
    'is in an encoding that nobody knows',
    '<?xml version="1.0" encoding="klingon"?><r/>',
    'another one in its declaration',
  ],
])('a document that %s is refused as a whole', async (_, text, message) => {
  await expect(refinery.refineFiles(of({ format: 'xml' }), { files: { 'a.xml': text } })).rejects.toMatchObject({
    code: 'REFINE_FILE_UNREADABLE',
    message: expect.stringContaining(message),
  })
})

test('a document with another root is refused, one without records has none', async () => {
  const stated = of({ format: 'xml', records: '$.r.o' })
  await expect(refinery.refineFiles(stated, { files: { 'a.xml': '<error>quota</error>' } })).rejects.toMatchObject({
    code: 'REFINE_FILE_UNREADABLE',
  })
  const { balance } = await refinery.refineFiles(stated, { files: { 'a.xml': '<r/>' } })
  expect(balance).toMatchObject({ in: 0, out: 0 })
})

test.each([
  ['UTF-16', Buffer.from('\ufeff<r><o id="1"><note>Жё</note></o></r>', 'utf16le')],
  ['a mark of UTF-8', Buffer.from('\ufeff<r><o id="1"><note>Жё</note></o></r>')],
  [
    'windows-1251',
    Buffer.concat([
      Buffer.from("<?xml version='1.0' encoding='windows-1251'?><r><o id=\"1\"><note>"),
      Buffer.from([0xc6, 0xb8]),
      Buffer.from('</note></o></r>'),
    ]),
  ],
])('the encoding is the one that the document says: %s', async (_, bytes) => {
  await refinery.refineFiles(of(), { files: { 'a.xml': bytes } })
  expect(await rowsOf()).toMatchObject([{ note: 'Жё' }])
})

test('a packed document is read as its content', async () => {
  const command = await refinery.land(of(), { files: { 'a.gz': gzipSync('<r><o id="1"/></r>') } })
  const manifest = JSON.parse((await refinery.lake.readText(command.manifest)) ?? '')
  const files = manifest.files.map((file: object) => ({ ...file, compression: 'gzip' }))
  await refinery.lake.put(command.manifest, JSON.stringify({ ...manifest, files }))
  expect(await refinery.refine(command)).toMatchObject({ balance: { in: 1, out: 1 } })
})

test('any texts come out as they are', async () => {
  const text = fc.string({ unit: 'grapheme' }).filter((one) => !/[\p{Cc}\ufffe\uffff]/u.test(one))
  const escaped = (one: string) => one.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll(']]>', ']]&gt;')
  await fc.assert(
    fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 20 }), async (texts) => {
      await using own = await aRefinery()
      const records = texts.map((note, id) => `<o id="${id}"><note>${escaped(note)}</note></o>`)
      await own.refineFiles(of(), { files: { 'a.xml': `<r>${records.join('\n')}</r>` } })
      const rows = await own.rowsOf('orders', 'id', 'note')
      expect(rows.map(({ note }) => note)).toEqual(texts.map((note) => (note === '' ? null : note)))
    }),
    { numRuns: 10 },
  )
})
