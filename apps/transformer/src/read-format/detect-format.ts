import { binaryFormatOf, textFormatOf } from '@cinelake/csv'
import type { FileFormat, FileReading } from '@cinelake/pipeline'
import { guessEncoding, createTranscoder } from '../read-csv/text-encoding.ts'
import { firstBytes } from '../read-records/read-chunks.ts'
import { refineErrors } from '../refine/errors.ts'

/** Bytes by which a format is known. */
const HEAD_BYTES = 64 * 1024

/** Formats that are read, by how they are named where they are found. */
const READ: Readonly<Record<string, FileFormat>> = {
  'a Parquet file': 'parquet',
  JSON: 'json',
  'JSON, an object a line': 'ndjson',
}

const NAMES: Readonly<Partial<Record<FileFormat, string>>> = {
  csv: 'CSV',
  json: 'JSON',
  ndjson: 'NDJSON',
  parquet: 'Parquet',
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
  const binary = binaryFormatOf(bytes)
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

function startsAs(stated: FileFormat, bytes: Uint8Array): boolean {
  const first = Buffer.from(bytes).toString().trimStart()[0]
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
