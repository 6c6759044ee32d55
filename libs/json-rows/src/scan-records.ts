import { MAX_COLUMNS, type Column } from './columns.ts'
import { duplicateNameIn } from './duplicate-name.ts'
import { type FlattenRules, MAX_DEPTH } from './flatten-record.ts'
import {
  BACKSLASH,
  behind,
  behindListStart,
  behindText,
  behindValue,
  blanks,
  COLON,
  COMMA,
  LIST_END,
  nameIn,
  OBJECT,
  OBJECT_END,
  ODD,
  QUOTE,
} from './json-bytes.ts'
import { type JsonObject, type JsonValue, parseJson } from './json-text.ts'

const MINUS = 0x2d
const PLUS = 0x2b
const DOT = 0x2e
const ZERO = 0x30
const NINE = 0x39

/** How a value stands in the bytes. `value`: parsed, with its index in `values` for its start. */
export const SCANNED = { text: 0, textWithComma: 1, number: 2, isTrue: 3, isFalse: 4, isNull: 5, value: 6 } as const

/** Numbers of one value: field, form, start, end. */
export const STRIDE = 4

/** A field at its path within records. */
export type ScannedField = {
  readonly id: number
  /** Names joined by dots; empty for the record itself. */
  readonly name: string
  /** Its name as it begins in an object, with the colon behind it. */
  readonly start: Buffer
  readonly isJson: boolean
  readonly fields: Map<string, ScannedField>
  /** Its fields in the order of the previous object: the next object mostly has the same. */
  readonly order: (ScannedField | undefined)[]
  /** Number of the record that had it last, to find a name that occurs twice. */
  seenIn: number
  column: Column | undefined
}

/** The records of a page as places in its bytes: no object is made of them. */
export class ScannedRecords {
  readonly bytes: Buffer
  readonly fields: readonly ScannedField[]
  /** `STRIDE` numbers for each value. */
  readonly tape: Int32Array
  /** The end of each record in the tape. */
  readonly ends: readonly number[]
  readonly values: readonly JsonValue[]
  /** Start and end of the bytes of the first record, and of the last. */
  readonly first: readonly [start: number, end: number]
  readonly last: readonly [start: number, end: number]

  /** What is done when the bytes are not needed any more. */
  onRelease: (() => void) | undefined
  readonly #spare: Int32Array[]

  constructor(
    scanned: Pick<ScannedRecords, 'bytes' | 'fields' | 'tape' | 'ends' | 'values' | 'first' | 'last'> & {
      spare: Int32Array[]
    },
  ) {
    this.bytes = scanned.bytes
    this.fields = scanned.fields
    this.tape = scanned.tape
    this.ends = scanned.ends
    this.values = scanned.values
    this.first = scanned.first
    this.last = scanned.last
    this.#spare = scanned.spare
  }

  get length(): number {
    return this.ends.length
  }

  /** Tape and bytes are used again for another page: call this when the records are not needed any more. */
  release(): void {
    this.#spare.push(this.tape)
    this.onRelease?.()
  }

  /** The bytes of all records. */
  get whole(): Buffer {
    return this.bytes.subarray(this.first[0], this.last[1])
  }
}

/** Records as objects. */
export function objectsOf<Record>(records: readonly Record[] | ScannedRecords): readonly (Record | JsonObject)[] {
  if (!(records instanceof ScannedRecords)) return records
  return parseJson(`[${records.whole.toString()}]`) as readonly JsonValue[] as readonly JsonObject[]
}

/**
 * Finds the records of JSON bodies without making objects of them, for the fields that most records have: names and texts
 * without escapes, numbers, true, false, null, and objects of them. Everything else is parsed as before, or the whole body is
 * left to `parseJson`, which also tells what is wrong in it. Both ways give the same rows.
 */
export function createRecordScanner(flatten: FlattenRules = {}) {
  const fields: ScannedField[] = []
  const newField = (key: string, name: string): ScannedField => {
    if (fields.length > MAX_COLUMNS) throw ODD
    const isJson = (flatten[name] ?? flatten['*']) === 'json'
    const id = fields.length
    const field = {
      id,
      name,
      start: Buffer.from(`"${key}":`),
      isJson,
      fields: new Map(),
      order: [],
      seenIn: 0,
      column: undefined,
    }
    fields.push(field)
    return field
  }
  const root = newField('', '')
  let serial = 0
  /** Tapes that are used again: memory outside the heap makes the collector run as often as it is allocated. */
  const spare: Int32Array[] = []

  /**
   * @param bytes UTF-8, checked, without byte order mark
   * @param path  names of the fields that lead to the list of records
   * @returns the records, and the body without them; undefined where the body has to be parsed as a whole
   */
  return (
    bytes: Buffer,
    path: readonly string[],
  ): { readonly records: ScannedRecords; readonly body: JsonValue } | undefined => {
    let tape = spare.pop() ?? new Int32Array(1024)
    let used = 0
    const ends: number[] = []
    const values: JsonValue[] = []

    // Every function takes a position and returns the one behind what it read: a variable of all of them would be far slower.
    const put = (field: ScannedField, form: number, start: number, end: number) => {
      if (used + STRIDE > tape.length) {
        const larger = new Int32Array(tape.length * 2)
        larger.set(tape)
        tape = larger
      }
      tape[used] = field.id
      tape[used + 1] = form
      tape[used + 2] = start
      tape[used + 3] = end
      used += STRIDE
    }
    const parsed = (field: ScannedField, start: number, end: number): number => {
      const text = bytes.toString('utf8', start, end)
      if (text.includes('{') && duplicateNameIn(text) !== undefined) throw ODD
      values.push(parseJson(text))
      put(field, SCANNED.value, values.length - 1, end)
      return end
    }
    const scanText = (field: ScannedField, start: number): number => {
      const end = plainEnd(bytes, start + 1)
      if (bytes[end] === QUOTE) {
        put(field, SCANNED.text, start + 1, end)
        return end + 1
      }
      let at = end
      while (bytes[at] === COMMA) at = plainEnd(bytes, at + 1)
      if (bytes[at] === BACKSLASH) return parsed(field, start, behindText(bytes, start))
      if (bytes[at] !== QUOTE) throw ODD
      put(field, SCANNED.textWithComma, start + 1, at)
      return at + 1
    }
    const digits = (from: number): number => {
      let at = from
      for (;;) {
        const byte = bytes[at] ?? 0
        if (byte < ZERO || byte > NINE) break
        at += 1
      }
      if (at === from) throw ODD
      return at
    }
    const scanNumber = (field: ScannedField, start: number): number => {
      let at = bytes[start] === MINUS ? start + 1 : start
      at = bytes[at] === ZERO ? at + 1 : digits(at)
      if (bytes[at] === DOT) at = digits(at + 1)
      if (((bytes[at] ?? 0) | 0x20) === 0x65) {
        at += 1
        if (bytes[at] === MINUS || bytes[at] === PLUS) at += 1
        at = digits(at)
      }
      put(field, SCANNED.number, start, at)
      return at
    }
    const scanWord = (field: ScannedField, start: number, word: string, form: number): number => {
      for (let index = 0; index < word.length; index += 1)
        if (bytes[start + index] !== word.charCodeAt(index)) throw ODD
      put(field, form, start, start + word.length)
      return start + word.length
    }
    const otherField = (parent: ScannedField, place: number, name: string): ScannedField => {
      let field = parent.fields.get(name)
      if (field === undefined) {
        // Objects of JavaScript have such names in another order. Names with control characters are no JSON.
        if (/^(?:0|[1-9]\d*)$/.test(name) || CONTROL.test(name)) throw ODD
        field = newField(name, parent.name === '' ? name : `${parent.name}.${name}`)
        parent.fields.set(name, field)
      }
      parent.order[place] = field
      return field
    }
    const scanObject = (parent: ScannedField, from: number, depth: number): number => {
      if (depth > MAX_DEPTH) throw ODD
      let at = blanks(bytes, behind(bytes, OBJECT, from))
      if (bytes[at] === OBJECT_END) return at + 1
      for (let place = 0; ; place += 1) {
        let field = parent.order[place]
        if (field !== undefined && startsWith(bytes, at, field.start)) {
          at += field.start.length
        } else {
          if (bytes[at] !== QUOTE) throw ODD
          const end = behindText(bytes, at)
          field = otherField(parent, place, nameIn(bytes, at, end))
          at = behind(bytes, COLON, end)
        }
        if (field.seenIn === serial) throw ODD
        field.seenIn = serial
        at = scanValue(field, at, depth)
        // Most servers write no blanks.
        if (bytes[at] === COMMA && bytes[at + 1] === QUOTE) {
          at += 1
          continue
        }
        at = blanks(bytes, at)
        const byte = bytes[at]
        if (byte === OBJECT_END) return at + 1
        if (byte !== COMMA) throw ODD
        at = blanks(bytes, at + 1)
      }
    }
    const scanValue = (field: ScannedField, from: number, depth: number): number => {
      if (bytes[from] === QUOTE) return scanText(field, from)
      const at = blanks(bytes, from)
      const byte = bytes[at] ?? 0
      if (byte === QUOTE) return scanText(field, at)
      if (byte === MINUS || (byte >= ZERO && byte <= NINE)) return scanNumber(field, at)
      if (byte === 0x74) return scanWord(field, at, 'true', SCANNED.isTrue)
      if (byte === 0x66) return scanWord(field, at, 'false', SCANNED.isFalse)
      if (byte === 0x6e) return scanWord(field, at, 'null', SCANNED.isNull)
      const isFlat = byte === OBJECT && !field.isJson && bytes[blanks(bytes, at + 1)] !== OBJECT_END
      return isFlat ? scanObject(field, at, depth + 1) : parsed(field, at, behindValue(bytes, at))
    }

    try {
      const listStart = behindListStart(bytes, path)
      let at = blanks(bytes, listStart)
      let first: [number, number] | undefined
      let last: [number, number] = [at, at]
      if (bytes[at] === LIST_END) at += 1
      else {
        for (;;) {
          serial += 1
          const end = scanObject(root, at, 0)
          ends.push(used)
          last = [at, end]
          first ??= last
          at = blanks(bytes, end)
          const byte = bytes[at]
          at += 1
          if (byte === LIST_END) break
          if (byte !== COMMA) throw ODD
          at = blanks(bytes, at)
        }
      }
      const rest = `${bytes.toString('utf8', 0, listStart)}]${bytes.toString('utf8', at)}`
      if (duplicateNameIn(rest) !== undefined) return undefined
      const body = parseJson(rest)
      return {
        records: new ScannedRecords({ bytes, fields, tape, ends, values, first: first ?? last, last, spare }),
        body,
      }
    } catch (error) {
      if (error === ODD || error instanceof SyntaxError || error instanceof RangeError) return undefined
      throw error
    }
  }
}

function startsWith(bytes: Uint8Array, from: number, start: Uint8Array): boolean {
  const { length } = start
  for (let index = 0; index < length; index += 1) if (bytes[from + index] !== start[index]) return false
  return true
}

/** The first quote, comma, backslash or control character, or the end. */
function plainEnd(bytes: Uint8Array, from: number): number {
  const { length } = bytes
  let at = from
  while (at < length && IS_PLAIN[bytes[at] as number] === 1) at += 1
  return at
}

/** By byte: whether a text may have it that is copied as it is. */
const IS_PLAIN = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte < 0x20 || byte === QUOTE || byte === COMMA || byte === BACKSLASH ? 0 : 1,
)

// oxlint-disable-next-line no-control-regex -- they are what it looks for
const CONTROL = /[\u0000-\u001f]/
