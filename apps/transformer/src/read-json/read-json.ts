import { describeSyntaxError, duplicateNameIn, parseJson, type JsonValue } from '@cinelake/json-rows'
import type { CheckedColumn, FileReading } from '@cinelake/pipeline'
import { isUtf8 } from 'node:buffer'
import { rawText } from '../read-csv/copy.ts'
import { ColumnFinder } from '../read-records/find-columns.ts'
import { cellsOfObject } from '../read-records/object-records.ts'
import { textChunks, textLines } from '../read-records/read-chunks.ts'
import { BATCH_RECORDS, type FoundRecord, type RecordFile } from '../read-records/record.ts'
import { FileUnreadableError } from '../refine/errors.ts'
import { DocumentProblem, MAX_JSON_BYTES, RecordSplitter, type SplitRecord } from './split-records.ts'

type JsonFile = {
  readonly name: string
  readonly file: string
  readonly reading: FileReading
  readonly columns: readonly CheckedColumn[]
}

/**
 * The records of a JSON document: the objects of a list in it, or one object. A record that is no JSON, or no object,
 * is rejected alone.
 * @throws {FileUnreadableError} terminal, while reading: the document ends in the middle, or has no such list
 */
export function readJson({ name, file, reading, columns }: JsonFile): RecordFile {
  const path = recordPath(reading.records)
  let finder = new ColumnFinder(columns)
  return {
    get names() {
      return finder.names
    },
    async *read(signal) {
      finder = new ColumnFinder(columns)
      let records: FoundRecord[] = []
      let count = 0
      const place = ['$', ...path].join('.')
      const splitter = new RecordSplitter(path, (split) => {
        records.push(recordOf(split, `${place}[${count++}]`, columns, finder))
      })
      const told = (work: () => void) => {
        try {
          work()
        } catch (error) {
          if (!(error instanceof DocumentProblem)) throw error
          throw new FileUnreadableError(
            name,
            { line: error.line },
            'a whole JSON document with its records',
            error.message,
          )
        }
      }
      for await (const chunk of textChunks({ name, file, encoding: reading.encoding }, signal)) {
        told(() => splitter.push(chunk))
        if (records.length < BATCH_RECORDS) continue
        yield records
        records = []
      }
      told(() => splitter.end())
      yield records
    },
  }
}

/**
 * The records of a file with a JSON object in each line. Another line is rejected alone, unless it is the last
 * and cut off.
 * @throws {FileUnreadableError} terminal, while reading: the file ends in the middle of a record
 */
export function readNdjson({ name, file, reading, columns }: JsonFile): RecordFile {
  let finder = new ColumnFinder(columns)
  return {
    get names() {
      return finder.names
    },
    async *read(signal) {
      finder = new ColumnFinder(columns)
      const chunks = textChunks({ name, file, encoding: reading.encoding }, signal)
      for await (const lines of textLines(chunks, MAX_JSON_BYTES)) {
        const records: FoundRecord[] = []
        for (const { bytes, line, isEnded } of lines) {
          if (isBlank(bytes)) continue
          const isLong = bytes.length > MAX_JSON_BYTES
          const record = recordOf({ bytes: isLong ? undefined : bytes, line }, undefined, columns, finder)
          if (!isEnded && isCut(bytes))
            throw new FileUnreadableError(
              name,
              { line },
              'a JSON object in each line',
              'a file that ends in the middle of one',
            )
          records.push(record)
        }
        yield records
      }
    },
  }
}

/**
 * The names in a path to the records of a document: `$.data['my items']`, `data.items`. Which forms are allowed is checked
 * with the pipeline.
 */
export function recordPath(text = '$'): readonly string[] {
  return [...text.replace(/^\$/, '').matchAll(/\['([^']*)'\]|\["([^"]*)"\]|\.?([^.[\]]+)/g)].map(
    ([, single, double, plain]) => single ?? double ?? plain ?? '',
  )
}

function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d)
}

function isCut(bytes: Uint8Array): boolean {
  const text = Buffer.from(bytes).toString()
  try {
    JSON.parse(text)
    return false
  } catch (error) {
    return describeSyntaxError(error, text.length).startsWith('a text that ends')
  }
}

function recordOf(
  { bytes, line }: SplitRecord,
  place: string | undefined,
  columns: readonly CheckedColumn[],
  finder: ColumnFinder,
): FoundRecord {
  const at = { line, ...(place === undefined ? {} : { place }) }
  if (bytes === undefined) {
    return { ...at, cells: [], problem: `a record of more than ${MAX_JSON_BYTES} bytes`, raw: () => '' }
  }
  const cells = cellsIn(bytes, columns, finder)
  const raw = () => rawText(bytes)
  return typeof cells === 'string' ? { ...at, cells: [], problem: cells, raw } : { ...at, cells, raw }
}

function cellsIn(bytes: Uint8Array, columns: readonly CheckedColumn[], finder: ColumnFinder) {
  if (!isUtf8(bytes)) return 'bytes that are not UTF-8'
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()
  let value: JsonValue
  try {
    value = parseJson(text)
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error
    return `no JSON: ${describeSyntaxError(error, text.length)}`
  }
  if (duplicateNameIn(text) !== undefined) return 'an object in which a name is there twice'
  return cellsOfObject(value, columns, finder)
}
