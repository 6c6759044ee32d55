import type { CheckedColumn, FileFormat, FileReading } from '@cinelake/pipeline'
import type { UnpackLimits } from '../read-csv/unpack-settings.ts'
import { readFixedWidth } from '../read-fixed-width/read-fixed-width.ts'
import { readJson, readNdjson } from '../read-json/read-json.ts'
import type { RecordFile } from '../read-records/record.ts'
import { readXlsx } from '../read-xlsx/read-xlsx.ts'
import { readXml } from '../read-xml/read-xml.ts'

type Opened = {
  readonly name: string
  readonly file: string
  readonly reading: FileReading
  readonly columns: readonly CheckedColumn[]
  readonly limits: UnpackLimits
}

/** Formats that are read record by record. */
export type RecordFormat = Exclude<FileFormat, 'csv' | 'parquet'>

/** Opens a file of records. */
export function openRecords(format: RecordFormat, file: Opened): RecordFile {
  return READERS[format](file)
}

const READERS: Readonly<Record<RecordFormat, (file: Opened) => RecordFile>> = {
  json: readJson,
  ndjson: readNdjson,
  xlsx: readXlsx,
  xml: readXml,
  'fixed-width': readFixedWidth,
}

/** Whether the records of a format name their own fields, and may leave out those without a value. */
export function namesFields(format: RecordFormat): boolean {
  return format === 'json' || format === 'ndjson' || format === 'xml'
}
