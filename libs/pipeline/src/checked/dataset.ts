import { z } from 'zod'

/** `fail`: the task fails. `error`: the row is rejected. `warn`: the row is kept, and counted. */
export const Severity = z.enum(['warn', 'error', 'fail'])
export type Severity = z.infer<typeof Severity>

/** Where a rule's SQL begins in its file; of one that is made from arguments, where the rule does. Counted from 1. */
const RuleBegin = z.object({ line: z.int(), column: z.int() })

/** A rule about one row, as SQL over the contract's columns. A row passes when it is true or NULL. */
export const RowRule = z.object({
  name: z.string(),
  severity: Severity,
  expression: z.string(),
  description: z.string().optional(),
  begin: RuleBegin.optional(),
})
export type RowRule = z.infer<typeof RowRule>

/** A rule about the whole table as refined: a query with one number, and what that number must be. */
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

/** How text becomes a column's value. Steps run in this order: trim, null words, extract, values, number or date or list. */
export const ColumnReading = z.object({
  /** Names that the source may give the column, in order of preference; compared without case, spaces, `-` and `_`. */
  from: z.array(z.string()).min(1),
  /** Regular expression with one group: the part of the text that is meant (`(\d+) min`). No match gives NULL. */
  extract: z.string().optional(),
  /** Texts to replace as a whole: `{ "TV Show": SHOW }`; compared without case. */
  values: z.record(z.string(), z.string()).optional(),
  /** Dates and instants: accepted formats in strftime letters (`%Y-%m-%d`), tried in order. */
  formats: z.array(z.string()).optional(),
  /** Instants without an offset are of this zone. */
  timeZone: z.string().optional(),
  /** Numbers: the decimal signs to understand; the other of `.` and `,` is then a thousands separator. */
  decimal: z.enum(['.', ',', 'any']).optional(),
  /** Numbers: what 100% stands for (10 for a score of 0 to 10). Without it a `%` is a type error. */
  percentOf: z.number().optional(),
  /** Lists: separators to split at; `['a', 'b']` (Python) and `["a"]` (JSON) are understood besides. */
  separators: z.array(z.string()).optional(),
  /** Words that mean "no value" in this column, besides the dataset's; compared without case. */
  nulls: z.array(z.string()).optional(),
})
export type ColumnReading = z.infer<typeof ColumnReading>

/** A column of a contract, with how it is read. */
export const CheckedColumn = z.object({
  name: z.string(),
  /** `BOOLEAN`, `INTEGER`, `BIGINT`, `DOUBLE`, `DECIMAL(p,s)`, `VARCHAR`, `DATE`, `TIME`, `TIMESTAMP WITH TIME ZONE`, or any of them with `[]`. */
  type: z.string(),
  /** VARCHAR: the longest text allowed, in characters; for the SQL table's type and checked on each row. */
  maxLength: z.int().positive().optional(),
  required: z.boolean(),
  /** Personal data, and where the contract lets it go besides raw. */
  personal: z.object({ allowedIn: z.array(z.enum(['refined', 'mart'])) }).optional(),
  /** Names that the column had before, the latest first: values that the table has under one of them are the column's. */
  renamedFrom: z.array(z.string()).optional(),
  description: z.string().optional(),
  reading: ColumnReading,
})
export type CheckedColumn = z.infer<typeof CheckedColumn>

/** How the files of a dataset are read; what is absent is found out by looking at the file. */
export const FileReading = z.object({
  encoding: z.enum(['utf-8', 'utf-16le', 'utf-16be', 'windows-1252', 'iso-8859-1']).optional(),
  delimiter: z.string().length(1).optional(),
  quote: z.string().length(1).optional(),
  /** Whether the first record names the columns. Without a header the contract's columns come in order. */
  header: z.boolean(),
  /** Words that mean "no value" in every column; compared without case. The empty text always does. */
  nulls: z.array(z.string()),
})
export type FileReading = z.infer<typeof FileReading>

export const CheckedContract = z.object({
  /** ODCS id and version, for the docs and the run history. */
  id: z.string(),
  version: z.string(),
  /** Where it is in the folder, when that is not `contracts/<dataset>.yaml`. */
  file: z.string().optional(),
  description: z.string().optional(),
  columns: z.array(CheckedColumn).min(1),
  /** Columns in order; empty when rows have no identity (then only exact duplicates are duplicates). */
  primaryKey: z.array(z.string()),
  /** Columns that the table may have from a contract of before, and is to lose with their values. */
  dropped: z.array(z.string()).optional(),
  rowRules: z.array(RowRule),
  tableRules: z.array(TableRule),
})
export type CheckedContract = z.infer<typeof CheckedContract>

/** What a window's rows do to the refined table. */
export const RefineMode = z.enum([
  /** The landing is the whole table: it replaces what was there. */
  'snapshot',
  /** The landing holds new and changed rows: merged by primary key. */
  'merge',
  /** The landing holds new rows only. */
  'append',
])
export type RefineMode = z.infer<typeof RefineMode>

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
   * Which of several rows with one key wins: the greatest by these columns, then the later file, then the later line.
   */
  newestBy: z.array(z.string()),
  /** `newest`: the newest row as it is. `fill`: each missing value is taken from the newest row that has it. */
  duplicates: z.enum(['newest', 'fill']),
  partitionBy: z.array(z.string()),
})
export type CheckedDataset = z.infer<typeof CheckedDataset>
