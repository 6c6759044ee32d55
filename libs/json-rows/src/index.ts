export { createColumns, KIND, MAX_COLUMNS, RESCUED, type Column, type Columns, type DriftPolicy } from './columns.ts'
export {
  openCsvSpool,
  PLAIN_ROWS,
  RowsLostError,
  type CsvSpool,
  type RowRules,
  type SpooledRows,
  type SpoolState,
} from './csv-spool.ts'
export { createFlattener, type FlattenRules } from './flatten-record.ts'
export {
  describeSyntaxError,
  isExactNumber,
  isObject,
  parseJson,
  type JsonArray,
  type JsonObject,
  type JsonValue,
} from './json-text.ts'
export { RecordProblem } from './record-problem.ts'
