import type { FileFormat, FileReading } from '@cinelake/pipeline'
import type { UnpackedFile } from '../read-csv/unpack-file.ts'
import { formatOf } from '../read-format/detect-format.ts'
import { cellRange } from '../read-xlsx/cell-range.ts'
import { xlsxGrid } from '../read-xlsx/read-xlsx.ts'
import type { FileSample, SampleContext } from './file-sample.ts'
import { sampleCsv } from './sample-csv.ts'
import { filledText, sampleFixedWidth } from './sample-fixed-width.ts'
import { sampleGrid } from './sample-grid.ts'
import { sampleJson } from './sample-json.ts'
import { sampleParquet } from './sample-parquet.ts'
import { sampleXml } from './sample-xml.ts'

type Sampler = (file: UnpackedFile, reading: FileReading, context: SampleContext) => Promise<FileSample | undefined>

/** How the first rows of a file of each format are read. */
const SAMPLERS: Readonly<Record<FileFormat, Sampler>> = {
  csv: sampleText,
  json: async (file, reading, context) => await sampleJson(file, { ...reading, format: 'json' }, context),
  ndjson: async (file, reading, context) => await sampleJson(file, { ...reading, format: 'ndjson' }, context),
  parquet: sampleParquet,
  xlsx: sampleXlsx,
  xml: sampleXml,
  'fixed-width': sampleFixedWidth,
}

/**
 * The first rows of a file of any format that a refine reads, with its code, and without a contract.
 * @returns undefined for a file without a record
 * @throws {REFINE_FILE_FORMAT} terminal: a format that is not read
 */
export async function sampleFile(
  file: UnpackedFile,
  reading: FileReading,
  context: SampleContext,
): Promise<FileSample | undefined> {
  const format = await formatOf({ ...file, whole: undefined }, reading)
  return await SAMPLERS[format](file, reading, context)
}

/** A text is CSV, unless nothing parts its lines but blanks at the same places. */
async function sampleText(
  file: UnpackedFile,
  reading: FileReading,
  context: SampleContext,
): Promise<FileSample | undefined> {
  const csv = await sampleCsv(file, reading, { ...context, findsShape: true })
  if (csv === undefined || csv.delimiter !== undefined || saysCsv(reading)) return csv
  const { read, isFilledUp } = await filledText(file, reading)
  if (read !== undefined) {
    const sample = await sampleFixedWidth(file, { ...reading, ...read }, context)
    if (sample !== undefined)
      return { ...sample, facts: [...sample.facts, ['note', GUESSED]], read: { ...read, ...sample.read } }
  }
  return isFilledUp ? { ...csv, facts: [...csv.facts, ['note', UNTOLD]] } : csv
}

const GUESSED = 'the widths are those of the blanks in these lines: check them, a longer value would be cut'
const UNTOLD =
  'its lines are filled up with blanks: if their fields have fixed places, `read: { format: fixed-width, widths: […] }`'

/** Whether the text of the pipeline says that it is CSV, which it is then. */
function saysCsv({ format, records: _records, encoding: _encoding, nulls: _nulls, header, ...ofCsv }: FileReading) {
  return format !== undefined || !header || Object.values(ofCsv).some((value) => value !== undefined)
}

async function sampleXlsx(
  { name, file }: UnpackedFile,
  declared: FileReading,
  context: SampleContext,
): Promise<FileSample | undefined> {
  const { limits } = context
  const sample = await sampleGrid(
    {
      declared,
      format: 'XLSX',
      top: cellRange(declared.range ?? '').top,
      gridOf: (columns, reading) => xlsxGrid({ name, file, reading, columns, limits }),
    },
    context,
  )
  if (sample === undefined || Object.keys(sample.read).length === 0) return sample
  // Without it, what is said would be of CSV.
  return { ...sample, read: { format: 'xlsx', ...sample.read } }
}
