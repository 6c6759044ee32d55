import { z } from 'zod'
import { TableVerification } from '../checked/database-source.ts'
import { mapping } from './check-shape.ts'
import { commonDataset, site } from './dataset-schema.ts'
import { duration, tableName, text } from './schema-words.ts'
import { mayBeSecret } from './secrets.ts'

/** Ranges of one table. More connections than this hurt the database more than they help. */
const MAX_RANGES = 256

const splitRanges = z
  .int()
  .min(2, 'expected at least two ranges')
  .max(MAX_RANGES, `expected at most ${MAX_RANGES} ranges`)
  .describe('How many ranges, of about as many rows each.')
const splitMinRows = z
  .int()
  .min(0)
  .optional()
  .describe('Tables that the database takes for smaller are read in one go. Default: 1000000.')
const splitResume = z
  .boolean()
  .optional()
  .describe(
    'A task that was killed goes on with the ranges that are missing, as they are then. Default: `true`. `false`: it starts over, and the table is of one moment.',
  )

const verify = TableVerification.optional().describe(
  'Beyond counting what is read: `count` has the database count as well, `checksum` compares every value besides.',
)

const databaseDataset = mapping({
  table: text.describe('`schema.table` in the database.'),
  incremental: z
    .union([text, z.array(text).min(1, 'expected at least one column')])
    .optional()
    .describe(
      'Column by which new rows are told: a time, a number that only grows, or a `rowversion`. Several times: one of them.',
    ),
  overlap: z
    .union([duration, z.int().min(0)])
    .optional()
    .describe('How far before the end of the last window the reading begins: `2h`; for numbers `1000`. Default: none.'),
  changeTracking: z
    .boolean()
    .optional()
    .describe('SQL Server: Change Tracking tells which rows were written and deleted. Default: `false`.'),
  split: mapping({
    ranges: splitRanges,
    column: text.optional().describe('Default: the first column of the primary key.'),
    minRows: splitMinRows.describe('Tables that the database takes for smaller are read in one go. Default: 0.'),
    resume: splitResume,
  })
    .optional()
    .describe('Reads a large table in ranges of a key, several at once.'),
  verify,
  ...commonDataset,
})

/** A source of type `database` as it stands in `pipeline.yaml`. */
export const databaseSource = mapping({
  type: z.literal('database'),
  url: mayBeSecret(text).describe('`postgres://user:${secret:NAME}@host/database`, or `mssql://…`'),
  site,
  maxConnections: z
    .int()
    .min(1, 'expected at least one connection')
    .optional()
    .describe('Connections that one agent opens at once. Default: one for each of its tasks.'),
  timeout: duration
    .optional()
    .describe('The longest that the database may take for the next piece of an answer. Default: `10m`.'),
  snapshot: mapping({
    keepFor: duration
      .optional()
      .describe('The longest that the moment is held, on a connection of its own. Default: `1h`.'),
  })
    .optional()
    .describe('PostgreSQL: all tables of a run are read as of one moment. Default: each table as of its own.'),
  split: mapping({ ranges: splitRanges, minRows: splitMinRows, resume: splitResume })
    .optional()
    .describe('Reads every table that is large enough, and has a key for it, in ranges.'),
  verify,
  tables: mapping({
    include: z
      .array(text)
      .optional()
      .describe('`schema.table` patterns with `*` of tables that are copied without being declared. Default: none.'),
    exclude: z.array(text).optional().describe('Patterns of tables that are not.'),
    views: z.boolean().optional().describe('Whether the patterns mean views as well. Default: `false`.'),
  }).optional(),
  datasets: z.record(tableName, databaseDataset).optional(),
})

export type DatabaseSourceText = z.infer<typeof databaseSource>
export type DatabaseDatasetText = z.infer<typeof databaseDataset>
