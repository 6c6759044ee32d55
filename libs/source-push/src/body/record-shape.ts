import { MAX_RECORD_BYTES } from '@cinelake/csv'
import type { JsonObject } from '@cinelake/json-rows'
import { createColumns } from '@cinelake/json-rows'
import { PLAIN_ROWS } from '@cinelake/json-rows'
import { csvRow } from '@cinelake/core'
import { createFlattener } from '@cinelake/json-rows'
import { RecordProblem } from '@cinelake/json-rows'
import type { RowShape, ContractColumns } from './body-check.ts'
import { headerProblem } from './header-problem.ts'
import { PushBodyError, PushTooLargeError } from '../errors.ts'

/** Characters of a record in JSON below which its row cannot be too long: quotes double, and each column has a comma. */
const SURELY_SHORT = MAX_RECORD_BYTES / 8

/** Makes the records of a push rows as landing does, to see that they can be, and keeps nothing of them. */
export function createRecordShape(contract: ContractColumns) {
  const columns = createColumns(PLAIN_ROWS)
  const cellsOf = createFlattener(columns, PLAIN_ROWS.flatten)
  return {
    get found(): RowShape {
      return { columns: columns.names, delimiter: ',' }
    },
    /** @throws {PushBodyError} terminal: a record that cannot be a row */
    add(record: JsonObject, length: number, where: string): void {
      const cells = cellsIn(record, where)
      if (cells.some((cell) => cell?.isWellFormed() === false))
        throw new PushBodyError(where, 'text', 'half of a character (a lone surrogate)')
      if (length > SURELY_SHORT && Buffer.byteLength(csvRow(cells)) > MAX_RECORD_BYTES)
        throw new PushTooLargeError(`records (${where})`, MAX_RECORD_BYTES)
    },
    /** @throws {PushBodyError} terminal: columns that cannot be refined */
    end(): void {
      const problem = headerProblem(columns.names, contract)
      if (problem !== undefined) throw new PushBodyError('the body', problem.expected, problem.got)
    },
  }

  function cellsIn(record: JsonObject, where: string) {
    try {
      return cellsOf(record)
    } catch (error) {
      throw error instanceof RecordProblem ? new PushBodyError(where, error.expected, error.got) : error
    }
  }
}
