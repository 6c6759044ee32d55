import { HEAD_BYTES, NO_DELIMITER, readHead, textFormatOf } from '@cinelake/csv'
import type { CheckedColumn, FileReading } from '@cinelake/pipeline'
import { identifier } from '@cinelake/sql'
import { stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FLAGS } from '../read-csv/copy.ts'
import { makeReadable, type ReadableCsv } from '../read-csv/readable.ts'
import { csvRelation, fieldColumn, FLAG_COLUMN } from '../read-csv/relation.ts'
import type { Encoding } from '../read-csv/text-encoding.ts'
import type { UnpackedFile } from '../read-csv/unpack-file.ts'
import { readColumn } from '../read-value/column.ts'
import { refineErrors } from '../refine/errors.ts'
import { columnsOf } from './columns-of-header.ts'
import { type CsvShape, shapeOfCsv } from './csv-shape.ts'
import { asText, beginning } from './file-beginning.ts'
import { guessLegacy } from './guess-legacy.ts'
import {
  broughtTo,
  type FileSample,
  type SampleContext,
  type SampledColumn,
  TRIED,
  triedColumn,
} from './file-sample.ts'

/** Bytes by which the shape of a file is found out. */
const SHAPE_BYTES = 1024 * 1024
/** Bytes of a file that are read for each row that is asked for, and at least. */
const BYTES_A_ROW = 512
const LEAST_BYTES = 16 * 1024 * 1024

/**
 * Reads the first rows of a CSV file by the code of a refine, without a contract: each field is a column.
 * @param findsShape whether to find out how the file is written, beyond what a refine does by itself
 * @returns undefined for a file without a record
 * @throws {REFINE_FILE_FORMAT} terminal: it is not a CSV file
 */
export async function sampleCsv(
  unpacked: UnpackedFile,
  declared: FileReading,
  { findsShape, ...context }: SampleContext & { readonly findsShape: boolean },
): Promise<FileSample | undefined> {
  const { session, limit, signal } = context
  const start = await beginning(unpacked.file, SHAPE_BYTES)
  const legacy = findsShape && declared.encoding === undefined ? guessLegacy(start.bytes) : undefined
  const { bytes, encoding } = asText(start.bytes, declared.encoding ?? legacy)
  const format = textFormatOf(bytes)
  if (format !== undefined) throw refineErrors.REFINE_FILE_FORMAT(unpacked.name, format, 'CSV')
  const shape: CsvShape = findsShape ? shapeOfCsv(bytes, start.isWhole, declared) : { read: {}, notes: [] }
  const found: FileReading = {
    ...declared,
    ...(legacy === undefined ? {} : { encoding: legacy }),
    ...shape.read,
  }
  const isHeadWhole = start.isWhole && bytes.length <= HEAD_BYTES
  const headOf = (columns: readonly CheckedColumn[], reading: FileReading) =>
    readHead(bytes.subarray(0, HEAD_BYTES), isHeadWhole, columns, reading)
  const head = headOf([], { ...found, header: true, delimiter: found.delimiter ?? shape.delimiter })
  if (head === undefined) return undefined
  const names = shape.names ?? (found.header ? head.names : head.names.map(() => ''))
  const columns: readonly SampledColumn[] = found.header ? columnsOf(names) : names.map((name) => ({ name }))
  const delimiter = head.dialect.delimiter === NO_DELIMITER ? undefined : head.dialect.delimiter
  const fields = names.map((name, index): CheckedColumn => ({
    ...FIELD,
    name,
    reading: { from: [name], position: index + 1 },
  }))
  // What a refine finds out by the names of the columns need not be said.
  const seen = headOf(
    found.header ? fields.filter((_, index) => columns[index]?.position === undefined).map(named) : fields,
    found,
  )
  const isFound = seen?.dialect.delimiter === head.dialect.delimiter && seen.fieldCount === names.length
  const read: Partial<FileReading> = {
    ...(legacy === undefined ? {} : { encoding: legacy }),
    ...shape.read,
    ...(isFound || delimiter === undefined ? {} : { delimiter }),
  }
  const reading: FileReading = { ...found, delimiter: head.dialect.delimiter }
  const { file, isCut } = await readablePart(unpacked, limit, encoding, context)
  const csv = await makeReadable({
    name: unpacked.name,
    file,
    columns: fields,
    reading: isCut ? { ...reading, footer: undefined } : reading,
    copyTo: join(context.directory, 'tried-copy.csv'),
    signal,
  })
  await tableOf(csv, names.length, context)
  const [{ n: recordCount } = { n: 0 }] = await session.rows<{ n: number | bigint }>(
    `SELECT count(*) AS n FROM ${TRIED}`,
  )
  const [{ n: unreadCount } = { n: 0 }] = await session.rows<{ n: number | bigint }>(
    `SELECT count(*) AS n FROM ${TRIED} WHERE unread`,
  )
  await session.run(`DELETE FROM ${TRIED} WHERE unread`)
  const between = delimiter === undefined ? 'one column' : `delimiter ${shownDelimiter(delimiter)}`
  const isGuess = csv.guessed !== undefined || legacy !== undefined
  return {
    facts: [
      ['written', `${csv.encoding}, ${between}${reading.header ? '' : ', no header'}`],
      ...(isGuess
        ? [['note', 'the encoding is a guess: check letters with accents and of other alphabets'] as const]
        : []),
      ...shape.notes.map((note) => ['note', note] as const),
    ],
    columns,
    read,
    isInOrder: !reading.header,
    ...(delimiter === undefined ? {} : { delimiter }),
    rowCount: Number(recordCount) - Number(unreadCount),
    unreadCount: Number(unreadCount),
    isAll: !isCut && csv.recordCount === Number(recordCount),
    readColumn: (column, index) => readColumn(column, triedColumn(index), declared.nulls),
  }
}

/** A field by its name alone. */
const named = (column: CheckedColumn): CheckedColumn => ({ ...column, reading: { from: column.reading.from } })

const FIELD = { type: 'VARCHAR', required: false } as unknown as CheckedColumn

async function tableOf(csv: ReadableCsv, width: number, { session, limit }: SampleContext): Promise<void> {
  const fields = Array.from(
    { length: width },
    (_, index) => `${identifier(fieldColumn(index))} AS ${triedColumn(index)}`,
  )
  const flag = identifier(FLAG_COLUMN)
  const unread = csv.isCopy
    ? `coalesce(starts_with(${flag}, '${FLAGS.misshapen}') OR starts_with(${flag}, '${FLAGS.damaged}'), false)`
    : 'false'
  await session.run(
    `CREATE OR REPLACE TEMP TABLE ${TRIED} AS SELECT ${fields.join(', ')}, ${unread} AS unread FROM ${csvRelation(csv, false)} LIMIT ${limit}`,
  )
}

function shownDelimiter(delimiter: string): string {
  if (delimiter === '\t') return 'tab'
  return JSON.stringify(delimiter).replaceAll('"', '')
}

/** A file, or of a large one its first lines, so that a few rows do not cost reading all of it. */
async function readablePart(
  { file }: UnpackedFile,
  limit: number,
  encoding: Encoding,
  { directory }: SampleContext,
): Promise<{ readonly file: string; readonly isCut: boolean }> {
  const most = Math.max(LEAST_BYTES, limit * BYTES_A_ROW)
  if ((await stat(file)).size <= most)
    return { file: await broughtTo(join(directory, 'tried.csv'), file), isCut: false }
  const { bytes } = await beginning(file, most)
  const unit = encoding.startsWith('utf-16') ? 2 : 1
  let end = bytes.lastIndexOf(0x0a) + 1
  while (end % unit !== 0) end++
  const part = join(directory, 'tried.csv')
  await writeFile(part, bytes.subarray(0, end === 0 ? bytes.length : end))
  return { file: part, isCut: true }
}
