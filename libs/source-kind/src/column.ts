import { z } from 'zod'

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
  /** Lists: separators to split at; `['a', 'b']` (Python) and `["a"]` (JSON) are also understood. */
  separators: z.array(z.string()).optional(),
  /** Words that mean "no value" in this column, in addition to the dataset's; compared without case. */
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
  /** Personal data, and where the contract lets it go apart from raw. */
  personal: z.object({ allowedIn: z.array(z.enum(['refined', 'mart'])) }).optional(),
  /** Names that the column had before, the latest first: values that the table has under one of them are the column's. */
  renamedFrom: z.array(z.string()).optional(),
  description: z.string().optional(),
  reading: ColumnReading,
})
export type CheckedColumn = z.infer<typeof CheckedColumn>
