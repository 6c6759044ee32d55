export {
  HEAD_BYTES,
  matchColumns,
  plainName,
  readHead,
  type ColumnPlaces,
  type CsvColumn,
  type CsvDeclaration,
  type CsvHead,
} from './head.ts'
export { binaryFormatOf, packageFormatOf, textFormatOf, WORKBOOK } from './other-format.ts'
export { RecordIndex, type RecordPlace } from './record-index.ts'
export { CR, isUsual, LF, type CsvDialect } from './dialect.ts'
export {
  csvRow,
  DELIMITERS,
  EMPTY_ROW,
  guardFormula,
  MAX_RECORD_BYTES,
  NO_DELIMITER,
  OWN_DIALECT,
  quotedField,
  splitFields,
} from './record.ts'
export { RowBuffer } from './row-buffer.ts'
export {
  ChunkScanner,
  countLines,
  readRecords,
  RecordScanner,
  scanChunks,
  type RecordShape,
  type RecordSink,
} from './scan.ts'
