import type { FileFormat, FileReading } from '@cinelake/pipeline'
import type { UnpackedFile } from '../read-csv/unpack-file.ts'
import { formatOf } from '../read-format/detect-format.ts'
import { refineErrors } from '../refine/errors.ts'
import type { FileSample, SampleContext } from './file-sample.ts'
import { sampleCsv } from './sample-csv.ts'
import { sampleJson } from './sample-json.ts'
import { sampleParquet } from './sample-parquet.ts'

type Sampler = (file: UnpackedFile, reading: FileReading, context: SampleContext) => Promise<FileSample | undefined>

/** How the first rows of a file of each format are read. */
const SAMPLERS: Readonly<Partial<Record<FileFormat, Sampler>>> = {
  csv: async (file, reading, context) => await sampleCsv(file, reading, { ...context, findsShape: true }),
  json: async (file, reading, context) => await sampleJson(file, { ...reading, format: 'json' }, context),
  ndjson: async (file, reading, context) => await sampleJson(file, { ...reading, format: 'ndjson' }, context),
  parquet: sampleParquet,
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
  const sampler = SAMPLERS[format]
  if (sampler === undefined)
    throw refineErrors.REFINE_FILE_FORMAT(
      file.name,
      NAMES[format] ?? format,
      'CSV, JSON, NDJSON or Parquet, of which alone a draft is made',
    )
  return await sampler(file, reading, context)
}

const NAMES: Readonly<Partial<Record<FileFormat, string>>> = { xlsx: 'an Excel workbook (XLSX)', xml: 'XML' }
