import { readFile } from 'node:fs/promises'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import writeXlsxFile from 'write-excel-file/node'
import { zipOf } from '../read-csv/zip.fixture.ts'
import { aColumn, aDataset, aRefinery, type Refinery } from '../refine/refinery.fixture.ts'
import { aRow, aWorkbook, partsOf } from './workbook.fixture.ts'

let refinery: Refinery
beforeEach(async () => {
  refinery = await aRefinery()
})
afterEach(() => refinery[Symbol.asyncDispose]())

const dataset = aDataset({ columns: [aColumn('id', { type: 'BIGINT' }), aColumn('note')] })
const sheets = [{ name: 'A', rows: aRow('id', 'note') + aRow(1, 'a') }]
const book = aWorkbook({ sheets })

async function refined(file: Buffer, { compression = '', name = 'a.xlsx', place = refinery, of = dataset } = {}) {
  const command = await place.land(of, { files: { [name]: file } })
  const manifest = JSON.parse((await place.lake.readText(command.manifest)) ?? '')
  const files = manifest.files.map((one: object) => ({ ...one, ...(compression !== '' && { compression }) }))
  await place.lake.put(command.manifest, JSON.stringify({ ...manifest, files }))
  return await place.refine(command)
}

test.each([
  ['as it is, which is an archive itself', book, 'zip'],
  ['in gzip', gzipSync(book), 'gzip'],
  ['in zstd', zstdCompressSync(book), 'zstd'],
  ['in an archive with others', zipOf({ 'a.xlsx': book, 'b.csv': 'id,note\n2,b\n', 'c.json': '[{"id":3}]' }), 'zip'],
])('a workbook is read %s', async (_, file, compression) => {
  const { balance } = await refined(file, { compression })
  expect(balance).toMatchObject({ rejected: 0 })
  expect((await refinery.rowsOf('orders', 'id', 'id, note'))[0]).toEqual({ id: 1, note: 'a' })
})

describe('a file that is no workbook, or a damaged one, is refused for what it is', () => {
  const compound = (stream: string) => {
    const sector = 512
    const file = Buffer.alloc(100 * sector)
    file.write('\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1', 'latin1')
    file.writeUInt16LE(9, 30)
    // The directory is far from the beginning.
    file.writeUInt32LE(90, 48)
    file.write(stream, 91 * sector + 128, 'utf16le')
    return Buffer.concat([file.subarray(0, 70 * 1024), Buffer.alloc(0)])
  }
  const parts = partsOf({ sheets })
  const { 'xl/worksheets/sheet1.xml': sheet = '', ...others } = parts
  const withSheet = (text: string | Buffer) => zipOf({ ...others, 'xl/worksheets/sheet1.xml': text })

  test.each([
    [
      'a workbook with a password',
      compound('EncryptedPackage'),
      'REFINE_FILE_FORMAT',
      'got an Office file with a password',
    ],
    ['an old one', compound('Workbook'), 'REFINE_FILE_FORMAT', 'got an Excel file of the old kind (XLS)'],
    ['a binary one', zipOf({ '[Content_Types].xml': '', 'xl/workbook.bin': '' }), 'REFINE_FILE_FORMAT', 'XLSB'],
    [
      'a Word document',
      zipOf({ '[Content_Types].xml': '', 'word/document.xml': '' }),
      'REFINE_FILE_FORMAT',
      'a Word document',
    ],
    ['an archive in one', zipOf({ 'b.csv': 'id\n1\n' }), 'REFINE_FILE_FORMAT', 'got a zip archive'],
    ['a cut one', book.subarray(0, -30), 'REFINE_FILE_NOT_UNPACKED', 'a whole workbook'],
    [
      'another checksum',
      aWorkbook({ sheets, damage: (sizes) => sizes.writeUInt32LE(7, 0) }),
      'REFINE_FILE_NOT_UNPACKED',
      'the checksum',
    ],
    ['a sheet that is cut', withSheet(sheet.slice(0, -40)), 'REFINE_FILE_NOT_UNPACKED', 'not well-formed'],
    [
      'rows that go back',
      withSheet('<x><sheetData><row r="2"/><row r="1"/></sheetData></x>'),
      'REFINE_FILE_NOT_UNPACKED',
      'a row 1 after row 2',
    ],
    [
      'a cell of another row',
      withSheet('<x><sheetData><row r="2"><c r="B3"/></row></sheetData></x>'),
      'REFINE_FILE_NOT_UNPACKED',
      'the place of another',
    ],
    [
      'a text without an end',
      withSheet(
        `<x><sheetData><row><c t="inlineStr"><is><t>${'x'.repeat(17 * 1024 * 1024)}</t></is></c></row></sheetData></x>`,
      ),
      'REFINE_FILE_NOT_UNPACKED',
      "a cell's text of more than 16777216 characters",
    ],
    ['no sheet', zipOf(others), 'REFINE_FILE_NOT_UNPACKED', 'the part xl/worksheets/sheet1.xml'],
  ])('%s', async (_, file, code, message) => {
    await expect(refined(file)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message.replaceAll(/[()]/g, '.')),
    })
  })

  test('as is a CSV file where `read.format` says XLSX', async () => {
    const of = { ...dataset, reading: { ...dataset.reading, format: 'xlsx' as const } }
    await expect(refined(Buffer.from('id,note\n1,a\n'), { of })).rejects.toMatchObject({ code: 'REFINE_FILE_FORMAT' })
  })
})

test('what its parts unpack to is limited', async () => {
  await using limited = await aRefinery({ limits: { maxUnpackedBytes: 100_000 } })
  const large = aWorkbook({ sheets, texts: `<si><t>${'a'.repeat(200_000)}</t></si>` })
  await expect(refined(large, { place: limited })).rejects.toMatchObject({ code: 'REFINE_FILE_UNPACKED_TOO_LARGE' })
})

test('other prefixes, names of parts and encodings make no difference', async () => {
  const parts = partsOf({ sheets, texts: '<si/>' })
  const other = Object.entries(parts).map(([name, text]) => [
    name.startsWith('xl/') ? name.replaceAll('/', '\\') : name,
    name.includes('sheet1')
      ? Buffer.from(`\ufeff${text.replaceAll(/<(\/?)(\w)/g, '<$1x:$2').replace('xmlns=', 'xmlns:x=')}`, 'utf16le')
      : text,
  ])
  await refined(zipOf(Object.fromEntries(other)))
  expect(await refinery.rowsOf('orders', 'id', 'id, note')).toEqual([{ id: 1, note: 'a' }])
})

const typed = aDataset({
  columns: [
    aColumn('id', { type: 'BIGINT' }),
    aColumn('note'),
    aColumn('price', { type: 'DECIMAL(20,8)' }),
    aColumn('day', { type: 'DATE' }),
    aColumn('at', { type: 'TIMESTAMP WITH TIME ZONE' }),
    aColumn('clock', { type: 'TIME' }),
    aColumn('ok', { type: 'BOOLEAN' }),
  ],
})

/** Made by openpyxl 3.1 and XlsxWriter 3.2: rich texts, formulas with and without values, a hidden sheet, merged cells. */
test.each([
  [
    'openpyxl.xlsx',
    [
      [1, 'plain', '4.10000000', '2023-03-15', '2023-03-15T10:24:00.000000Z', '10:24:00.5', true],
      [2, 'a bold c', '0.30000000', '1900-02-28', '1999-12-31T23:59:59.000000Z', '23:59:59', false],
      [4, 'Zoë 日本 😀', '-1234567.89000000', '9999-12-31', '2023-03-15T00:00:00.000000Z', '00:00:00', true],
      [5, null, '0.00000010', '2024-02-29', '2024-02-29T12:00:00.123000Z', null, null],
    ],
    { 'a.xlsx Orders!C4': ['price=(a formula without its value)'] },
  ],
  [
    'xlsxwriter.xlsx',
    [
      [1, 'x', '2.00000000', '2023-03-15', '2023-03-15T10:24:00.123000Z', null, true],
      [4, 'merged', null, null, null, null, null],
    ],
    {
      'a.xlsx Data!B3': ['note=#N/A'],
      'a.xlsx Data!B7': ['note=(merged with B6)'],
      'a.xlsx Data!B8': ['note=(merged with B6)'],
      'a.xlsx Data!C4': ['price=(a formula without its value)'],
    },
  ],
])('%s has the values that it was made of', async (name, rows, rejects) => {
  await refined(await readFile(new URL(`files/${name}`, import.meta.url)), { of: typed })
  const found = await refinery.rowsOf('orders', 'id', 'id, note, price, day, "at", clock, ok')
  expect(found.map((row) => Object.values(row))).toEqual(rows)
  const rejected = await refinery.rowsOf('_rejects/orders', 'file', 'file, found')
  expect(Object.fromEntries(rejected.map(({ file, found }) => [file, found]))).toEqual(rejects)
})

test('any table comes out as another program wrote it', async () => {
  // Texts that XML can hold; a program may escape others in its own way.
  const text = fc
    .string({ unit: 'grapheme', maxLength: 20 })
    .filter((one) => one !== '' && !/[\p{Cc}\ufffe\uffff]|_x/u.test(one))
  const cell = {
    note: fc.option(text),
    cents: fc.option(fc.integer({ min: -1e12, max: 1e12 })),
    day: fc.option(fc.integer({ min: 61, max: 2_958_465 }).map((day) => new Date(Date.UTC(1899, 11, 30 + day)))),
    at: fc.option(fc.date({ min: new Date('1901-01-01'), max: new Date('2099-12-31'), noInvalidDate: true })),
    ok: fc.option(fc.boolean()),
  }
  await fc.assert(
    fc.asyncProperty(fc.array(fc.record(cell), { minLength: 1, maxLength: 20 }), async (rows) => {
      const written = rows.map(({ note, cents, day, at, ok }, id) => [
        { value: id },
        note === null ? null : { value: note, type: String },
        cents === null ? null : { value: cents / 100 },
        day === null ? null : { value: day, type: Date, format: 'dd/mm/yyyy' },
        at === null ? null : { value: at, type: Date, format: 'yyyy-mm-dd hh:mm:ss.000' },
        null,
        ok === null ? null : { value: ok, type: Boolean },
      ])
      const head = typed.contract.columns.map(({ name }) => ({ value: name, type: String }))
      const file = await writeXlsxFile([head, ...written] as never).toBuffer()
      await using own = await aRefinery()
      const { balance } = await refined(file, { of: typed, place: own })

      expect(balance).toMatchObject({ in: rows.length, out: rows.length })
      expect(await own.rowsOf('orders', 'id', 'id, note, price, day, "at", ok')).toEqual(
        rows.map(({ note, cents, day, at, ok }, id) => ({
          id,
          note,
          price: cents === null ? null : exactly(cents),
          day: day?.toISOString().slice(0, 10) ?? null,
          at: at?.toISOString().replace('Z', '000Z') ?? null,
          ok,
        })),
      )
    }),
    { numRuns: 10 },
  )
})

/** Hundredths as a decimal with eight places. */
function exactly(cents: number): string {
  const digits = String(Math.abs(cents)).padStart(3, '0')
  return `${cents < 0 ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}000000`
}
