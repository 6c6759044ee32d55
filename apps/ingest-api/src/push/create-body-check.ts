import { createArrayCheck } from './array-check.ts'
import type { BodyCheck, OnRecord } from './body-check.ts'
import type { PushFormat } from './body-form.ts'
import { createCsvCheck } from './csv-check.ts'
import { createLinesCheck } from './lines-check.ts'
import { parseRecord } from './parse-record.ts'

/** Checks a body of this format. */
export function createBodyCheck(format: PushFormat): BodyCheck {
  return format === 'csv' ? createCsvCheck() : createRecordCheck(format, (text, where) => void parseRecord(text, where))
}

/** Finds the records of a body in JSON. */
export function createRecordCheck(format: 'json' | 'ndjson', onRecord: OnRecord): BodyCheck {
  return format === 'json' ? createArrayCheck(onRecord) : createLinesCheck(onRecord)
}
