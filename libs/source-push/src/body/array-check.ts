import { MarkSkipper, RecordBytes, type BodyReader, type OnRecord } from './body-check.ts'
import { utf8Of } from './parse-record.ts'
import { PushBodyError } from '../errors.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

/** The position of the next byte in the array's structure. */
type State = 'before-array' | 'first-record' | 'next-record' | 'in-record' | 'behind-record' | 'behind-array'

const EXPECTED: Readonly<Record<Exclude<State, 'in-record'>, string>> = {
  'before-array': 'an array (`[`)',
  'first-record': 'an object, or the end of the array',
  'next-record': 'an object',
  'behind-record': 'a comma, or the end of the array',
  'behind-array': 'nothing more',
}

/** Finds the objects of a JSON array. Whether each of them is valid JSON is checked by `onRecord`. */
export function createArrayCheck(onRecord: OnRecord): BodyReader {
  const mark = new MarkSkipper()
  const record = new RecordBytes()
  let state: State = 'before-array'
  let rowCount = 0
  let depth = 0
  let isInText = false
  let isEscaped = false
  const where = () => (state === 'before-array' || state === 'behind-array' ? 'the body' : `record ${rowCount + 1}`)

  /** @returns the position after the record, or the end of the chunk */
  const readRecord = (bytes: Uint8Array, from: number): number => {
    for (let at = from; at < bytes.length; at++) {
      const byte = bytes[at]
      if (isInText) {
        if (isEscaped) isEscaped = false
        else if (byte === BACKSLASH) isEscaped = true
        else if (byte === QUOTE) isInText = false
      } else if (byte === QUOTE) isInText = true
      else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) depth++
      else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) depth--
      if (depth > 0 || isInText) continue
      onRecord(utf8Of(record.take(bytes.subarray(from, at + 1), where()), where()), where())
      rowCount++
      state = 'behind-record'
      return at + 1
    }
    record.add(bytes.subarray(from), where())
    return bytes.length
  }
  const step = (byte: number | undefined): void => {
    if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) return
    if (state === 'before-array' && byte === OPEN_ARRAY) state = 'first-record'
    else if (byte === CLOSE_ARRAY && (state === 'first-record' || state === 'behind-record')) state = 'behind-array'
    else if (byte === COMMA && state === 'behind-record') state = 'next-record'
    else if (state !== 'in-record') throw new PushBodyError(where(), EXPECTED[state], 'something else')
  }
  return {
    get rowCount() {
      return rowCount
    },
    push(chunk) {
      const bytes = mark.skip(chunk)
      for (let at = 0; at < bytes.length;) {
        if (bytes[at] === OPEN_OBJECT && (state === 'first-record' || state === 'next-record')) state = 'in-record'
        if (state === 'in-record') at = readRecord(bytes, at)
        else step(bytes[at++])
      }
    },
    end() {
      if (state !== 'behind-array') throw new PushBodyError(where(), 'the end of the array', 'the end of the body')
    },
  }
}
