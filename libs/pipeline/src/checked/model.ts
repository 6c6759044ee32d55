import { z } from 'zod'
import { RowRule, TableRule } from './dataset.ts'

export const Materialization = z.enum([
  /** The result replaces the table. */
  'table',
  /** The result replaces the partitions that it has rows of. */
  'partitions',
  /** The result is merged by key. */
  'merge',
  /** The result is the current state by key; the table keeps every state with `valid_from`, `valid_to` and `is_current`. */
  'history',
])
export type Materialization = z.infer<typeof Materialization>

export const CheckedModel = z.object({
  name: z.string(),
  /** Its path in the folder, if that is not `models/<name>.sql`. */
  file: z.string().optional(),
  description: z.string().optional(),
  /**
   * One SELECT. `:window_start` and `:window_end` stand for the window's instants. A column `_reject`, if present,
   * is not part of the table: a row in which it is not NULL is rejected, for the rule that it names.
   */
  sql: z.string(),
  /** The place of `sql` in the file, if that is not its first character. */
  begin: z.object({ line: z.int(), column: z.int() }).optional(),
  /** Datasets and models that it reads, found by parsing; those of other pipelines as `pipeline.table`, which is their name in the SQL. */
  inputs: z.array(z.string()),
  usesWindow: z.boolean(),
  materialization: Materialization,
  key: z.array(z.string()),
  /** No column of the key is derived from personal data: an example of it may be shown. Absent if that is not known. */
  keyMayBeShown: z.literal(true).optional(),
  partitionBy: z.array(z.string()),
  /** A query over the inputs for the number of rows that the SELECT has to account for; a lost row then breaks the balance. */
  rowsIn: z.string().optional(),
  /** The result's columns, without `_reject`, with the table's types: the result is cast to them. */
  columns: z.array(z.object({ name: z.string(), type: z.string(), description: z.string().optional() })),
  /** Former names by column name: a column of the table with one of them is the same column. */
  renamedFrom: z.record(z.string(), z.array(z.string())).optional(),
  /** Columns that the table may have from an earlier SELECT, and is to lose with their values. */
  dropped: z.array(z.string()).optional(),
  rowRules: z.array(RowRule),
  tableRules: z.array(TableRule),
})
export type CheckedModel = z.infer<typeof CheckedModel>

/** A table that is served to analysts. */
export const ServedTable = z.object({
  /** The refined table: a dataset or a model. */
  table: z.string(),
  /** Its name in the mart. */
  as: z.string(),
  /** Columns that are served, in order. */
  columns: z.array(
    z.object({
      name: z.string(),
      type: z.string(),
      maxLength: z.int().optional(),
      required: z.boolean(),
      renamedFrom: z.array(z.string()).optional(),
      description: z.string().optional(),
    }),
  ),
  primaryKey: z.array(z.string()),
  description: z.string().optional(),
})
export type ServedTable = z.infer<typeof ServedTable>
