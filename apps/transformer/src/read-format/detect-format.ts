import { binaryFormatOf, packageFormatOf, textFormatOf, WORKBOOK } from '@cinelake/csv'
import type { FileFormat, FileReading } from '@cinelake/pipeline'
import { guessEncoding, createTranscoder } from '../read-csv/text-encoding.ts'
import { entriesOf, openArchive } from '../read-csv/unpack-file.ts'
import { firstBytes } from '../read-records/read-chunks.ts'
import { refineErrors } from '../refine/errors.ts'

/** Bytes by which a format is known. */
const HEAD_BYTES = 64 * 1024

/** Formats that are read, by how they are named where they are found. */
const READ: Readonly<Record<string, FileFormat>> = {
  'a Parquet file': 'parquet',
  JSON: 'json',
  'JSON, an object a line': 'ndjson',
  [WORKBOOK]: 'xlsx',
  XML: 'xml',
}

const NAMES: Readonly<Partial<Record<FileFormat, string>>> = {
  csv: 'CSV',
  json: 'JSON',
  ndjson: 'NDJSON',
  parquet: 'Parquet',
  xlsx: 'XLSX',
  xml: 'XML',
  'fixed-width': 'text of fixed width',
}

/**
 * The format of a file: that of its first bytes, never that of its name. A dataset that says how CSV is written has CSV.
 * @param whole all bytes of the file, where they are in memory
 * @throws {REFINE_FILE_FORMAT} terminal: another format than `read.format` says, or one that is not read
 */
export async function formatOf(
  { name, file, whole }: { readonly name: string; readonly file: string; readonly whole: Uint8Array | undefined },
  reading: FileReading,
): Promise<FileFormat> {
  const { format: stated, records: _records, encoding: _encoding, nulls: _nulls, header, ...ofCsv } = reading
  const isSaid = !header || Object.values(ofCsv).some((value) => value !== undefined)
  const isCsv = stated === 'csv' || (stated === undefined && isSaid)
  if (isCsv) return 'csv'
  const bytes = whole?.subarray(0, HEAD_BYTES) ?? (await firstBytes(file, HEAD_BYTES))
  const binary = await binaryFormatIn(file, bytes)
  // Such a text may begin with anything.
  if (stated === 'fixed-width' && binary === undefined) return stated
  const label = binary ?? textFormatOf(asUtf8(bytes))
  const found = label === undefined ? undefined : READ[label]
  if (stated === undefined) {
    if (binary !== undefined && found === undefined) throw refineErrors.REFINE_FILE_FORMAT(name, binary)
    return found ?? 'csv'
  }
  if (found === stated) return stated
  // One object is a line of NDJSON and a document as well.
  const isJson = found === 'json' || found === 'ndjson'
  if (isJson && (stated === 'ndjson' || stated === 'json')) return stated
  // A file without records, or with a first line that is damaged, is for its reader.
  if (label === undefined && stated !== 'parquet' && startsAs(stated, asUtf8(bytes))) return stated
  throw refineErrors.REFINE_FILE_FORMAT(
    name,
    label ?? 'text that is not',
    `${NAMES[stated] ?? stated}, as \`read.format\` says`,
  )
}

/** Bytes of the directory of a compound file that are looked at: names of streams, 128 bytes each. */
const DIRECTORY_BYTES = 16 * 1024

/** The format of a file that is no text; where its first bytes leave it open, its own table of contents tells. */
async function binaryFormatIn(file: string, bytes: Uint8Array): Promise<string | undefined> {
  const found = binaryFormatOf(bytes)
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 4)).toString('latin1')
  if (start === 'PK\u0003\u0004') {
    using archive = closing(await openArchive(file).catch(() => undefined))
    if (archive.it === undefined) return found
    const members = await entriesOf(archive.it, file).catch(() => [])
    const names = members.map(({ name }) => name.replaceAll('\\', '/'))
    return names.length === 0 ? found : (packageFormatOf(names) ?? 'a zip archive')
  }
  if (start !== '\u00d0\u00cf\u0011\u00e0' || bytes.length < 512) return found
  // Where the directory begins, in sectors. Source: MS-CFB, 2.2
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, 512)
  const shift = head.readUInt16LE(30)
  if (shift !== 9 && shift !== 12) return found
  const directory = (head.readUInt32LE(48) + 1) * 2 ** shift
  return binaryFormatOf(Buffer.concat([head, await firstBytes(file, DIRECTORY_BYTES, directory)]))
}

function closing(archive: Awaited<ReturnType<typeof openArchive>> | undefined) {
  return { it: archive, [Symbol.dispose]: () => archive?.close() }
}

function startsAs(stated: FileFormat, bytes: Uint8Array): boolean {
  const first = Buffer.from(bytes).toString().trimStart()[0]
  if (stated === 'xml') return first === undefined || first === '<'
  if (stated === 'xlsx') return false
  return first === undefined || first === '{' || (first === '[' && stated === 'json')
}

function asUtf8(bytes: Uint8Array): Uint8Array {
  const { encoding, markLength } = guessEncoding(bytes)
  const text = bytes.subarray(markLength)
  if (encoding === 'utf-8') return text
  try {
    return createTranscoder(encoding).push(text)
  } catch {
    return text
  }
}
