import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { binaryFormatOf, packageFormatOf, textFormatOf } from './other-format.ts'

const latin1 = (text: string) => Buffer.from(text, 'latin1')

test.each([
  ['PAR1\x15\x04', 'a Parquet file'],
  ['Obj\x01\x04', 'an Avro file'],
  ['PK\x03\x04\x14\x00\x06\x00\x08\x00[Content_Types].xml', 'an Office document (such as XLSX)'],
  ['PK\x03\x04\x14\x00\x06\x00\x08\x00xl/workbook.xml', 'an Excel workbook (XLSX)'],
  ['PK\x03\x04\x14\x00\x06\x00\x08\x00orders.csv', 'a zip archive'],
  ['\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00', 'an Excel or other Office file of before 2007'],
  ['%PDF-1.7\n', 'a PDF'],
  [
    '\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00W\x00o\x00r\x00k\x00b\x00o\x00o\x00k\x00',
    'an Excel file of the old kind (XLS)',
  ],
  [
    `\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1${'EncryptedPackage'.split('').join('\x00')}\x00`,
    'an Office file with a password',
  ],
  ['\x00\x00\x00\x18ftypmp42', 'a video (MP4)'],
  ['II*\x00\x08\x00', 'a TIFF image'],
  ['ORC\x11\x00\x00', 'an ORC file'],
  [`${'a'.repeat(257)}ustar\x0000`, 'a tar archive'],
  [gzipSync('a,b\n').toString('latin1'), 'a gzip file'],
])('the first bytes %j are those of %s', (bytes, format) => {
  expect(binaryFormatOf(latin1(bytes))).toBe(format)
})

test.each([
  'ORC,ELF\n1,2\n',
  'PAR1,PAR2\n1,2\n',
  'BZh;n\n1;2\n',
  'GIF8,x\n',
  'id,name\n1,a\n',
  '',
  '\ufeffid,name\n',
  'P,A,R,1\n',
])('%j may be a CSV file', (text) => expect(binaryFormatOf(Buffer.from(text))).toBeUndefined())

test.each([
  ['[{"id":1}]', 'JSON'],
  ['\n [ 1, 2 ]', 'JSON'],
  ['{"id": 1, "name": "a,b"}', 'JSON'],
  ['{"id":1}\n{"id":2}\n', 'JSON, an object a line'],
  ['<?xml version="1.0"?>\n<a/>', 'XML'],
  ['<films xmlns="x">', 'XML'],
  ['<!DOCTYPE html><html>', 'an HTML page'],
])('the text %j is %s', (text, format) => {
  expect(textFormatOf(Buffer.from(text))).toBe(format)
})

test.each([
  'id,name\n1,a\n',
  '[id],[name]\n',
  '{id};{name}\n',
  '<id>,<name>\n1,2\n',
  '# export\nid,name\n',
  '"id","name"\n',
])('the text %j may be CSV', (text) => expect(textFormatOf(Buffer.from(text))).toBeUndefined())

/** Bytes that look random, the same each time. */
function noise(length: number): Buffer {
  let state = 7
  return Buffer.from(Array.from({ length }, () => (state = (state * 1103515245 + 12345) % 2147483648) >> 16))
}

test.each([
  ['bytes of any value', noise(5000)],
  ['a few bytes of any value', noise(200)],
  ['zeros', Buffer.alloc(1000)],
])('%s are no text', (_, bytes) => expect(textFormatOf(bytes)).toBe('no text'))

test.each([
  ['one NUL', 'id,name\n1,a\u0000b\n'],
  ['fields filled up with NUL', 'id,name\n1,Mia\u0000\u0000\u0000\n2,Al\u0000\u0000\u0000\u0000\n'],
  ['control characters as delimiters', 'id\u0001tags\n1\u0001a\u0002b\u0003c\n'.repeat(100)],
  [
    'a cell with each of them',
    `id,name\n${'1,a text like others\n'.repeat(100)}2,\u0001\u0002\u0003\u0004\u0005\u0006\n`,
  ],
])('a text with %s may be CSV', (_, text) => expect(textFormatOf(Buffer.from(text))).toBeUndefined())

test.each([
  [['xl/worksheets/sheet1.xml', '[Content_Types].xml', '_rels/.rels'], 'an Excel workbook (XLSX)'],
  [['[Content_Types].xml', 'word/document.xml'], 'a Word document'],
  [['[Content_Types].xml', 'visio/document.xml'], 'an Office document that is no workbook'],
  [['mimetype', 'content.xml', 'META-INF/manifest.xml'], 'an OpenDocument file (such as ODS)'],
  [['xl/orders.csv', 'content.xml'], undefined],
  [['orders.csv'], undefined],
])('an archive of %j is %j', (names, format) => expect(packageFormatOf(names)).toBe(format))
