import { CheckedColumn, DuplicateRule, FileReading, RefineMode } from '@cinelake/source-kind'
import { z } from 'zod'

/** `fail`: the task fails. `error`: the row is rejected. `warn`: the row is kept, and counted. */
export const Severity = z.enum(['warn', 'error', 'fail'])
export type Severity = z.infer<typeof Severity>

/** The place of a rule's SQL in its file; for a rule made from arguments, of the rule. Counted from 1. */
const RuleBegin = z.object({ line: z.int(), column: z.int() })

/** A rule about one row, as SQL over the contract's columns. A row passes if it is true or NULL. */
export const RowRule = z.object({
  name: z.string(),
  severity: Severity,
  expression: z.string(),
  description: z.string().optional(),
  begin: RuleBegin.optional(),
})
export type RowRule = z.infer<typeof RowRule>

/** A rule about the whole refined table: a query with one number, and the expected number. */
export const TableRule = z.object({
  name: z.string(),
  severity: z.enum(['warn', 'fail']),
  /** `{table}` stands for the rows of this task. */
  query: z.string(),
  expect: z.object({
    operator: z.enum(['=', '<>', '<', '<=', '>', '>=', 'between', 'not between']),
    values: z.array(z.number()).min(1).max(2),
  }),
  description: z.string().optional(),
  begin: RuleBegin.optional(),
})
export type TableRule = z.infer<typeof TableRule>

export const CheckedContract = z.object({
  /** ODCS id and version, for the docs and the run history. */
  id: z.string(),
  version: z.string(),
  /** Its path in the folder, if that is not `contracts/<dataset>.yaml`. */
  file: z.string().optional(),
  description: z.string().optional(),
  columns: z.array(CheckedColumn).min(1),
  /** Columns in order; empty if rows have no identity (then only exact duplicates are duplicates). */
  primaryKey: z.array(z.string()),
  /** Columns that the table may have from an earlier contract, and is to lose with their values. */
  dropped: z.array(z.string()).optional(),
  rowRules: z.array(RowRule),
  tableRules: z.array(TableRule),
})
export type CheckedContract = z.infer<typeof CheckedContract>

export const CheckedDataset = z.object({
  /** The refined table's name. */
  name: z.string(),
  source: z.string(),
  /** The dataset's name within the source. */
  sourceDataset: z.string(),
  contract: CheckedContract,
  reading: FileReading,
  mode: RefineMode,
  /**
   * Dedup sort key: of several rows with one key the greatest by these columns wins, then the later file, then the later line.
   */
  newestBy: z.array(z.string()),
  duplicates: DuplicateRule,
  partitionBy: z.array(z.string()),
})
export type CheckedDataset = z.infer<typeof CheckedDataset>
