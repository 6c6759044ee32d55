export {
  createColumns,
  KIND,
  MAX_COLUMNS,
  RecordProblem,
  RecordReject,
  type Column,
  type Columns,
  type DriftPolicy,
} from './columns.ts'
export { openCsvSpool, PLAIN_ROWS, RowsLostError, type CsvSpool, type Records, type RowRules } from './csv-spool.ts'
export { areAllKnown, createFlattener, type FlattenRules } from './flatten-record.ts'
export {
  describeSyntaxError,
  isExactNumber,
  isObject,
  parseJson,
  type JsonArray,
  type JsonObject,
  type JsonValue,
} from './json-text.ts'
export { duplicateNameIn } from './duplicate-name.ts'
export { createRecordScanner, objectsOf, ScannedRecords } from './scan-records.ts'
export { BrokenRecord } from './broken-record.ts'
export { listItems } from './json-bytes.ts'
export { XmlProblem, XmlReader, type XmlEvents } from './xml-reader.ts'
export { XmlValues, xmlValue } from './xml-value.ts'
