import { MarkSkipper, RecordBytes, type BodyReader, type OnRecord } from './body-check.ts'
import { utf8Of } from './parse-record.ts'
import { PushBodyError } from '../errors.ts'

const LINE_FEED = 0x0a

/** Finds the lines of a body. Empty ones are none; that the others are JSON is for `onRecord` to say. */
export function createLinesCheck(onRecord: OnRecord): BodyReader {
  const mark = new MarkSkipper()
  const record = new RecordBytes()
  let rowCount = 0
  let line = 1
  const take = (last: Uint8Array) => {
    const where = `line ${line}`
    const text = utf8Of(record.take(last, where), where)
    line++
    if (text.trim() === '') return
    onRecord(text, where)
    rowCount++
  }
  return {
    get rowCount() {
      return rowCount
    },
    push(chunk) {
      const bytes = mark.skip(chunk)
      let from = 0
      for (;;) {
        const end = bytes.indexOf(LINE_FEED, from)
        if (end < 0) break
        take(bytes.subarray(from, end))
        from = end + 1
      }
      record.add(bytes.subarray(from), `line ${line}`)
    },
    end() {
      if (record.length > 0) take(new Uint8Array(0))
      if (rowCount === 0) throw new PushBodyError('the body', 'a record in each line', 'none')
    },
  }
}
