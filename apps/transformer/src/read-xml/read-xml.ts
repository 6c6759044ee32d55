import { type JsonValue, XmlProblem, XmlReader, XmlValues } from '@cinelake/json-rows'
import type { CheckedColumn, FileReading } from '@cinelake/pipeline'
import { rawText } from '../read-csv/copy.ts'
import { RAW_LIMIT_BYTES } from '../read-csv/copy.ts'
import { recordPath } from '../read-json/read-json.ts'
import { ColumnFinder } from '../read-records/find-columns.ts'
import { cellsOfObject } from '../read-records/object-records.ts'
import { bytesOf } from '../read-records/read-chunks.ts'
import { BATCH_RECORDS, type FoundRecord, type RecordFile } from '../read-records/record.ts'
import { FileUnreadableError } from '../refine/errors.ts'
import { DAMAGE, xmlText } from './xml-text.ts'

type XmlFile = {
  readonly name: string
  readonly file: string
  readonly reading: FileReading
  readonly columns: readonly CheckedColumn[]
}

/** Characters. More than a row of any table; a larger record is not kept, and rejected. */
const MAX_RECORD_CHARACTERS = 16 * 1024 * 1024

/**
 * The records of an XML document: the elements at the declared path, or those in the root, which then have one name. An
 * element's fields are those that REST answers in XML have.
 * @throws {FileUnreadableError} terminal, while reading: it is not well-formed, ends in the middle, or has another root
 */
export function readXml({ columns, ...of }: XmlFile): RecordFile {
  let finder = new ColumnFinder(columns)
  return {
    get names() {
      return finder.names
    },
    async *read(signal) {
      finder = new ColumnFinder(columns)
      for await (const batch of xmlElements(of, signal))
        yield batch.map((element) => recordOf(element, columns, finder))
    },
  }
}

/** The elements of such a document that are its records, in batches. */
export async function* xmlElements(
  { name, file, reading }: Omit<XmlFile, 'columns'>,
  signal: AbortSignal,
): AsyncGenerator<readonly SplitElement[]> {
  const path = reading.records === undefined ? undefined : recordPath(reading.records)
  let elements: SplitElement[] = []
  const splitter = new XmlSplitter(path, (element) => elements.push(element))
  const told = (work: () => void) => {
    try {
      work()
    } catch (error) {
      if (!(error instanceof XmlProblem)) throw error
      const expected = 'a whole XML document with its records'
      throw new FileUnreadableError(name, { line: splitter.line }, expected, error.message)
    }
  }
  for await (const text of xmlText({ name, encoding: reading.encoding }, bytesOf(file, 0, signal))) {
    told(() => splitter.push(text))
    if (elements.length < BATCH_RECORDS) continue
    yield elements
    elements = []
  }
  told(() => splitter.end())
  yield elements
}

/** A record of a document: its value and its text, or nothing of one that is too long. */
type SplitElement = {
  readonly value: JsonValue | undefined
  readonly text: string
  /** From 1. */
  readonly line: number
  /** `/orders/order[17]` */
  readonly place: string
}

/** Finds records in the pieces of a document. */
class XmlSplitter {
  readonly #reader: XmlReader
  readonly #onRecord: (record: SplitElement) => void
  #path: readonly string[] | undefined
  readonly #isStated: boolean
  #hasRoot = false
  /** The elements around, from the root; each with the number of those of its name before it, and of its children by name. */
  readonly #around: { readonly name: string; readonly place: string; readonly counts: Map<string, number> }[] = []
  #record:
    | { readonly values: XmlValues; readonly from: number; readonly line: number; readonly place: string }
    | undefined
  /** Depth within a record that is too long. */
  #skipped = 0

  constructor(path: readonly string[] | undefined, onRecord: (record: SplitElement) => void) {
    this.#path = path
    this.#isStated = path !== undefined
    this.#onRecord = onRecord
    this.#reader = new XmlReader({
      open: (name, attributes) => this.#open(name, attributes),
      text: (piece) => this.#text(piece),
      close: () => this.#close(),
    })
  }

  get line(): number {
    return this.#reader.line
  }

  push(text: string): void {
    this.#reader.push(text)
    this.#limit()
  }

  end(): void {
    this.#reader.end()
    if (!this.#hasRoot) throw this.#reader.problem('no element')
  }

  #open(name: string, attributes: Readonly<Record<string, string>>): void {
    this.#hasRoot = true
    if (this.#skipped > 0) {
      this.#skipped += 1
      return
    }
    if (this.#record !== undefined) {
      this.#record.values.open(name, attributes)
      this.#limit()
      return
    }
    const parent = this.#around.at(-1)
    const count = (parent?.counts.get(name) ?? 0) + 1
    parent?.counts.set(name, count)
    const at = `${parent?.place ?? ''}/${name}`
    if (!this.#isRecord(name)) {
      this.#around.push({ name, place: count === 1 ? at : `${at}[${count}]`, counts: new Map() })
      return
    }
    this.#reader.keep()
    const { position, line } = this.#reader
    this.#record = { values: new XmlValues(), from: position, line, place: `${at}[${count}]` }
    this.#record.values.open(name, attributes)
  }

  #isRecord(name: string): boolean {
    const depth = this.#around.length
    if (depth === 0 && this.#path?.[0] !== undefined && this.#path[0] !== name)
      throw this.#reader.problem(`the root <${name}> where \`read.records\` has <${this.#path[0]}>`)
    if (!this.#isStated && depth === 1) {
      const root = this.#around[0]?.name ?? ''
      const known = this.#path?.[1]
      this.#path ??= [root, name]
      if (known !== undefined && known !== name)
        throw this.#reader.problem(
          `elements <${known}> and <${name}> in its root; which of them are the records is for \`read\`: { format: xml, records: $.${root}.${known} }`,
        )
    }
    const path = this.#path
    if (path?.length === 0) return depth === 0
    return path?.length === depth + 1 && path[depth] === name && this.#around.every((one, at) => one.name === path[at])
  }

  #text(piece: string): void {
    if (this.#record === undefined || this.#skipped > 0) return
    this.#record.values.text(piece)
    this.#limit()
  }

  #close(): void {
    if (this.#skipped > 1) {
      this.#skipped -= 1
      return
    }
    const record = this.#record
    if (record === undefined) {
      this.#around.pop()
      return
    }
    const isLong = this.#skipped > 0
    record.values.close()
    if (record.values.depth > 0 && !isLong) return
    const { line, place } = record
    const text = isLong ? '' : this.#reader.release()
    const value = isLong ? undefined : firstOf(record.values.end())
    this.#record = undefined
    this.#skipped = 0
    this.#onRecord({ value, text, line, place })
  }

  /** Drops a record that is too long. */
  #limit(): void {
    const record = this.#record
    if (record === undefined || this.#skipped > 0) return
    if (this.#reader.position - record.from <= MAX_RECORD_CHARACTERS) return
    this.#skipped = record.values.depth
    this.#reader.release()
    this.#record = { ...record, values: new XmlValues() }
  }
}

/** The one value in an object. */
function firstOf(value: JsonValue | undefined): JsonValue | undefined {
  return typeof value === 'object' && value !== null ? Object.values(value)[0] : value
}

function recordOf(
  { value, text, line, place }: SplitElement,
  columns: readonly CheckedColumn[],
  finder: ColumnFinder,
): FoundRecord {
  const at = { line, place }
  if (value === undefined)
    return { ...at, cells: [], problem: `a record of more than ${MAX_RECORD_CHARACTERS} characters`, raw: () => '' }
  const raw = () => rawText(Buffer.from(text.slice(0, RAW_LIMIT_BYTES + 1).replaceAll(DAMAGE, '\ufffd')))
  if (text.includes(DAMAGE)) return { ...at, cells: [], problem: 'bytes that its encoding does not have', raw }
  // An element without any content has no field.
  const cells = cellsOfObject(value ?? {}, columns, finder, listOfOne)
  return typeof cells === 'string' ? { ...at, cells: [], problem: cells, raw } : { ...at, cells, raw }
}

/** One element is a list of one, as several are a list. */
function listOfOne(value: JsonValue, type: string): JsonValue {
  return type.endsWith('[]') && value !== null && !Array.isArray(value) ? [value] : value
}
