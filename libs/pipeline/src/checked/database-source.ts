import { z } from 'zod'
import { template } from './template.ts'

/** How a large table is read in ranges of a key, several at once. */
export const TableSplit = z.object({
  /** Ranges of about as many rows each. */
  ranges: z.int().min(2),
  /** A column with few equal values; without it the first column of the primary key. */
  column: z.string().optional(),
  /** Tables that the database takes for smaller than so many rows are read in one go. */
  minRows: z.int().min(0),
  /** Whether a task that was killed goes on with the ranges that are missing, which are of a later moment then. */
  resume: z.boolean(),
})
export type TableSplit = z.infer<typeof TableSplit>

/** How it is made sure that all rows arrived, beyond counting those that were read. */
export const TableVerification = z.enum([
  /** The database counts the same rows once more. */
  'count',
  /** And sends a digest of each row, and the files are compared with what was read, value by value. */
  'checksum',
])
export type TableVerification = z.infer<typeof TableVerification>

/** The column by which new rows are told. */
export const TableIncrement = z.object({
  /**
   * A time: rows in [end of the last window, end of this window). A number or a `rowversion`: rows above the highest one
   * that was read by the last window.
   */
  column: z.string(),
  /** Rows count as new as well when one of these lies in the range. Times only. */
  orColumns: z.array(z.string()).optional(),
  /** How far the range begins before it would. Times: milliseconds. */
  overlapMs: z.int().min(0).optional(),
  /** Numbers: in the column's unit. */
  overlapBy: z.int().min(0).optional(),
})
export type TableIncrement = z.infer<typeof TableIncrement>

export const DatabaseDataset = z.object({
  name: z.string(),
  table: z.object({ schema: z.string(), name: z.string() }),
  /** Only new rows are read. Without it, and without change tracking, the whole table. */
  incremental: TableIncrement.optional(),
  /** SQL Server's Change Tracking says which rows were written or deleted since the last window. */
  changeTracking: z.boolean().optional(),
  split: TableSplit.optional(),
  verify: TableVerification.optional(),
})
export type DatabaseDataset = z.infer<typeof DatabaseDataset>

export const DatabaseSource = z.object({
  type: z.literal('database'),
  name: z.string(),
  /** `postgres://user:password@host:port/database` or `mssql://…`; the password as `${secret:NAME}`. */
  url: template,
  site: z.string().optional(),
  /** Which of the discovered tables are copied: `schema.table` patterns with `*`. */
  include: z.array(z.string()),
  exclude: z.array(z.string()),
  /** Whether the patterns mean views as well. */
  views: z.boolean().optional(),
  /** Connections of one agent at once; without it as many as it has tasks. */
  maxConnections: z.int().min(1).optional(),
  /** The longest that the database may take for the next piece of an answer. */
  timeoutMs: z.int().min(1).optional(),
  /** All tables of a run are read as of one moment, which one agent holds for so long. */
  snapshot: z.object({ keepForMs: z.int().min(1) }).optional(),
  /** For tables without a `split` of their own. */
  split: TableSplit.optional(),
  /** For tables without a `verify` of their own. */
  verify: TableVerification.optional(),
  datasets: z.array(DatabaseDataset),
})
export type DatabaseSource = z.infer<typeof DatabaseSource>
