import { z } from 'zod'
import { mapping } from './check-shape.ts'
import { commonDataset, site } from './dataset-schema.ts'
import { tableName, text } from './schema-words.ts'

const databaseDataset = mapping({
  table: text.describe('`schema.table` in the database.'),
  incremental: text.optional().describe('Column by which only rows of the window are read.'),
  ...commonDataset,
})

/** A source of type `database` as it stands in `pipeline.yaml`. */
export const databaseSource = mapping({
  type: z.literal('database'),
  url: text.describe('`postgres://user:${secret:NAME}@host/database`'),
  site,
  tables: mapping({
    include: z
      .array(text)
      .optional()
      .describe('`schema.table` patterns with `*` of tables that are copied without being declared. Default: none.'),
    exclude: z.array(text).optional().describe('Patterns of tables that are not.'),
  }).optional(),
  datasets: z.record(tableName, databaseDataset).optional(),
})

export type DatabaseSourceText = z.infer<typeof databaseSource>
export type DatabaseDatasetText = z.infer<typeof databaseDataset>
