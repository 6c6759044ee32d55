export { ChunkScanner, scanChunks, type ScanChunksOptions } from './chunks.ts'
export { CR, DELIMITERS, LF, MAX_RECORD_BYTES, NO_DELIMITER, type CsvDialect } from './dialect.ts'
export { quotedField, splitFields } from './fields.ts'
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
export { binaryFormatOf, packageFormatOf, textFormatOf } from './other-format.ts'
export { RecordIndex, type RecordPlace } from './record-index.ts'
export { countLines, RecordScanner, type RecordShape, type RecordSink } from './scan.ts'
