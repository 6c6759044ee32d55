import { createArrayCheck } from './array-check.ts'
import type { BodyCheck, BodyReader, ContractColumns, OnRecord } from './body-check.ts'
import type { PushFormat } from './body-form.ts'
import { createCsvCheck } from './csv-check.ts'
import { createLinesCheck } from './lines-check.ts'
import { parseRecord } from './parse-record.ts'
import { createRecordShape } from './record-shape.ts'

/**
 * Checks a body of this format: by the code that lands it and by the code that reads it when it is refined, so that what
 * is taken can be landed.
 */
export function createBodyCheck(format: PushFormat, contract: ContractColumns): BodyCheck {
  if (format === 'csv') return createCsvCheck(contract)
  const shape = createRecordShape(contract)
  const reader = createRecordReader(format, (text, where) => shape.add(parseRecord(text, where), text.length, where))
  return {
    get rowCount() {
      return reader.rowCount
    },
    get shape() {
      return shape.found
    },
    push: (chunk) => reader.push(chunk),
    end() {
      reader.end()
      if (reader.rowCount > 0) shape.end()
    },
  }
}

/** Finds the records of a body in JSON. */
export function createRecordReader(format: 'json' | 'ndjson', onRecord: OnRecord): BodyReader {
  return format === 'json' ? createArrayCheck(onRecord) : createLinesCheck(onRecord)
}
