export { sampleCsv, type CsvSample } from './csv-sample.ts'
export { createTransformerHandlers, type TransformerDeps } from './handlers.ts'
export { readColumn, type ColumnSql } from './read-column.ts'
export { unpack } from './unpack-file.ts'
