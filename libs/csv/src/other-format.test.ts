import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { binaryFormatOf, textFormatOf } from './other-format.ts'

const latin1 = (text: string) => Buffer.from(text, 'latin1')

test.each([
  ['PAR1\x15\x04', 'a Parquet file'],
  ['Obj\x01\x04', 'an Avro file'],
  ['PK\x03\x04\x14\x00\x06\x00\x08\x00[Content_Types].xml', 'an Office document (such as XLSX)'],
  ['PK\x03\x04\x14\x00\x06\x00\x08\x00xl/workbook.xml', 'an Excel workbook (XLSX)'],
  ['PK\x03\x04\x14\x00\x06\x00\x08\x00orders.csv', 'a zip archive'],
  ['\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00', 'an Excel or other Office file of before 2007'],
  ['%PDF-1.7\n', 'a PDF'],
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
