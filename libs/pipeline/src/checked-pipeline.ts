import { sha256 } from '@cinelake/core'
import { CheckedColumn, DuplicateRule, FileReading, MissingColumns, RefineMode, Schedule } from '@cinelake/source-kind'
import { checkedAccess } from '@cinelake/file-places/config'
import { z } from 'zod'
import { CheckedSource } from './source-kinds.ts'

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
  /** Columns in order; empty if rows have no identity (then at most exact duplicates are duplicates). */
  primaryKey: z.array(z.string()),
  /** Columns that the table may have from an earlier contract, and is to lose with their values. */
  dropped: z.array(z.string()).optional(),
  rowRules: z.array(RowRule),
  tableRules: z.array(TableRule),
})
export type CheckedContract = z.infer<typeof CheckedContract>

/** Rows that are the items of a list in the rows of another dataset of the source. */
export const Exploded = z.object({
  /** The other dataset; rows name their parent in columns `<dataset>.<key>`. */
  dataset: z.string(),
  /** The source's name of the list, by dots one within an object. */
  field: z.string(),
  /** The primary key of the other dataset, as it is read there. */
  key: z.array(CheckedColumn).min(1),
})
export type Exploded = z.infer<typeof Exploded>

export const CheckedDataset = z.object({
  /** The refined table's name. */
  name: z.string(),
  source: z.string(),
  /** The name within the source of the dataset that lands it: its own, or that of which it has the items. */
  sourceDataset: z.string(),
  explodedFrom: Exploded.optional(),
  contract: CheckedContract,
  reading: FileReading,
  mode: RefineMode,
  /**
   * Dedup sort key: of several rows with one key the greatest by these columns wins, then the later file, then the later line.
   */
  newestBy: z.array(z.string()),
  /** Plans of versions without `keep` say `newest` for datasets without a key too, and keep that meaning. */
  duplicates: DuplicateRule,
  /** The largest share of a window's rows that may be rejected, 0 to 1. Absent: the default of `refine/rejected-share.ts`. */
  maxRejected: z.number().min(0).max(1).optional(),
  /** Absent: `empty` for landed records, `fail` for all else. */
  missingColumns: MissingColumns.optional(),
  partitionBy: z.array(z.string()),
})
export type CheckedDataset = z.infer<typeof CheckedDataset>

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

/** How the values of a table are written as CSV. */
export const CsvForm = z.object({
  delimiter: z.string(),
  header: z.boolean(),
  quote: z.enum(['needed', 'always']),
  bom: z.boolean(),
  /** What stands for NULL, without quotes. */
  null: z.string(),
  lineEnd: z.enum(['lf', 'crlf']),
  decimal: z.enum(['.', ',']),
  /** `strftime` formats. Absent: ISO 8601. */
  dates: z.string().optional(),
  times: z.string().optional(),
  formulas: z.enum(['keep', 'refuse']),
})
export type CsvForm = z.infer<typeof CsvForm>

/** A table of a delivery. */
export const DeliveredTable = z.object({
  /** The refined table: a dataset or a model. */
  table: z.string(),
  /** `{table}` in the name of its file. */
  as: z.string(),
  /** Columns that are delivered, in order. */
  columns: z.array(z.object({ name: z.string(), type: z.string(), description: z.string().optional() })),
  /** Columns of the refined table by which the rows are ordered; empty: by all that are delivered. */
  primaryKey: z.array(z.string()),
  /** No column of the key is personal: an example of it may be shown. */
  keyMayBeShown: z.literal(true).optional(),
})
export type DeliveredTable = z.infer<typeof DeliveredTable>

/** Files of some tables that are handed on together, whole or not at all. */
export const CheckedDelivery = z.object({
  name: z.string(),
  /** A folder, or the address of one on a server; may hold placeholders. */
  path: z.string(),
  ...checkedAccess,
  format: z.enum(['csv', 'parquet', 'xlsx']),
  /** Pattern of the files' names: see `fileNames`. */
  file: z.string(),
  /** Whether each window has files of its own; otherwise a later window's take the place of those before. */
  perWindow: z.boolean(),
  /** With `format: csv` only. */
  csv: CsvForm.optional(),
  tables: z.array(DeliveredTable).min(1),
})
export type CheckedDelivery = z.infer<typeof CheckedDelivery>

export const RetryPolicy = z.object({
  /** Attempts of one task, including the first. */
  maxAttempts: z.int().min(1),
  /** Wait before the second attempt; doubled for each further one. */
  backoffMs: z.int().min(0),
  maxBackoffMs: z.int().min(0),
})
export type RetryPolicy = z.infer<typeof RetryPolicy>

/**
 * A pipeline folder, parsed and checked as a whole: everything that services need of it, with all references resolved.
 * The scheduler puts it in the lake under its digest, and every command of a run names it there.
 */
export const CheckedPipeline = z.object({
  format: z.literal(1),
  name: z.string(),
  description: z.string().optional(),
  /** The schema of its tables in the mart. Absent: `defaultSchema`, or `mart` if it already has tables there. */
  schema: z.string().optional(),
  schedule: Schedule,
  retry: RetryPolicy,
  sources: z.array(CheckedSource),
  datasets: z.array(CheckedDataset),
  /** Tables of other pipelines that models read, as `pipeline.table`. */
  uses: z.array(z.string()).optional(),
  /** In dependency order. */
  models: z.array(CheckedModel),
  serve: z.array(ServedTable),
  /** Absent: none. */
  deliver: z.array(CheckedDelivery).optional(),
})
export type CheckedPipeline = z.infer<typeof CheckedPipeline>

/** The text under which a pipeline is kept in the lake, and its digest. The same folder always gives the same digest. */
export function freezePipeline(pipeline: CheckedPipeline): {
  readonly text: string
  readonly digest: string
  readonly path: string
} {
  const text = JSON.stringify(pipeline)
  const digest = sha256(text)
  return { text, digest, path: frozenPipelinePath(pipeline.name, digest) }
}

/** Lake path of a frozen pipeline. */
export function frozenPipelinePath(name: string, digest: string): string {
  return `pipelines/${name}/${digest}.json`
}
