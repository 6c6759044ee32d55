import { mapping, plainName, text, words } from '@cinelake/config-text'
import { z } from 'zod'

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

/** Formats of files, beside what they may be packed with. */
export const FileFormat = z.enum(['csv', 'json', 'ndjson', 'parquet', 'xlsx', 'xml', 'fixed-width'])
export type FileFormat = z.infer<typeof FileFormat>

/** How the files of a dataset are read; what is absent is found out by looking at the file. */
export const FileReading = z.object({
  /** A file of another format is refused. Absent: found out from each file's first bytes. */
  format: FileFormat.optional(),
  /**
   * JSON: the place of the records, as a path of names: `$.data.items`. Default: the document itself. XML: that of their
   * elements, beginning with the root. Default: the elements in the root.
   */
  records: z.string().optional(),
  /** XLSX: the name of a worksheet, or its number from 1, hidden ones counted. Absent: the only visible one with rows. */
  sheet: z.union([z.string(), z.int().min(1)]).optional(),
  /** XLSX: cells that are read, header included: `B3:F200`, `B3:F`, `B:F`, `B3`. Absent: all. */
  range: z.string().optional(),
  /** XLSX: cells that are merged with the first of their area have its value, or none. Absent: their row is rejected. */
  mergedCells: z.enum(['fill', 'empty']).optional(),
  /** Fixed width: characters of each field, one field after the other. */
  widths: z.array(z.int().min(1)).optional(),
  /** Fixed width: the fields of a line, in place of `widths` and of a header. */
  fields: z
    .array(
      z.object({
        name: z.string(),
        /** The first character, from 1. */
        start: z.int().min(1),
        /** Characters. */
        width: z.int().min(1),
      }),
    )
    .optional(),
  /** A name of the WHATWG's encoding standard in its canonical form, or `iso-8859-1` as ISO means it. */
  encoding: z.string().optional(),
  /** One character or several. */
  delimiter: z.string().min(1).optional(),
  /** The empty text: there are no quoted fields. */
  quote: z.string().max(1).optional(),
  /** Makes a quote, delimiter or line end after it text. Absent: a quote is doubled. */
  escape: z.string().length(1).optional(),
  /** Physical lines before the header, or before the first record. */
  skip: z.int().min(1).optional(),
  /** Lines of the header, whose names are joined with blanks. Absent: 1. */
  headerLines: z.int().min(1).optional(),
  /** A line that begins with it is no record. */
  comment: z.string().min(1).optional(),
  /** Records at the end that are no rows: their number, or words with which the first field of each begins. */
  footer: z.union([z.int().min(1), z.array(z.string().min(1)).min(1)]).optional(),
  /** Rows without any text. Absent: `keep`; a line without anything is no row in any case. */
  blankRows: z.enum(['keep', 'skip']).optional(),
  /** Rows with fewer fields than the header. Absent: `reject`. */
  missingCells: z.enum(['reject', 'empty']).optional(),
  /** Whether the first record names the columns. Without a header the contract's columns come in order. */
  header: z.boolean(),
  /** Words that mean "no value" in every column; compared without case. The empty text always does. */
  nulls: z.array(z.string()),
})
export type FileReading = z.infer<typeof FileReading>

const columnDetails = mapping({
  from: z
    .union([text, z.array(text).min(1, 'expected at least one name')])
    .optional()
    .describe(
      "Names that the source gives the column, in order of preference; the contract's name is always the last.",
    ),
  position: z
    .int()
    .min(1)
    .optional()
    .describe('CSV: number of the field, from 1, whatever its name: for names that are repeated or missing.'),
  path: text
    .optional()
    .describe(
      'Columns of JSON, of nested types or of what Python prints: where the value is, `address.city`, `lines[0].price`.',
    ),
  trim: z
    .boolean()
    .optional()
    .describe('Whether blanks around a text are dropped. Default: yes for the text of files, no for typed sources.'),
  extract: z
    .union([
      text,
      mapping({
        pattern: text.describe('Regular expression with one group.'),
        part: z
          .boolean()
          .optional()
          .describe('The pattern may match a part of the text. Default: it matches all of it.'),
        noMatch: z
          .union([z.null(), z.literal('reject')])
          .optional()
          .describe('A text that the pattern does not match: `null` is no value, `reject` (default) rejects the row.'),
      }),
    ])
    .optional()
    .describe('Regular expression with one group: the part of the text that is meant. It has to match the whole text.'),
  values: z
    .record(z.string(), z.union([z.string(), z.number(), z.boolean()]).transform(String))
    .optional()
    .describe('Texts to replace as a whole: `{ TV Show: SHOW }`.'),
  formats: z
    .array(text)
    .min(1)
    .optional()
    .describe(
      'Dates and times: accepted formats in strftime letters, or `epoch`, `epochMillis` or `excel` (numbers), tried in order.',
    ),
  language: text
    .optional()
    .describe('Dates: language of the names of months and weekdays (`de`, `fr-CA`), beside English.'),
  pivotYear: z
    .int()
    .min(1)
    .max(9900)
    .optional()
    .describe('Dates: the first of the hundred years that years of two digits are of. Default: 1969.'),
  ambiguous: z
    .enum(['earlier', 'later'])
    .optional()
    .describe('Timestamps: of a local time that the zone has twice, which one is meant. Default: the row is rejected.'),
  timeZone: text.optional().describe('Timestamps without an offset are of this zone (IANA name).'),
  decimal: z.enum(['.', ',', 'any']).optional().describe('Numbers: the decimal sign; `any` understands both.'),
  percentOf: z.number().positive('expected a number above 0').optional().describe('Numbers: what 100% stands for.'),
  grouping: z
    .enum(['thousands', 'indian', 'any'])
    .optional()
    .describe('Numbers: groups of digits, `1,234,567` (default), `12,34,567` or of any length.'),
  negatives: z
    .array(z.enum(['parentheses', 'trailing']))
    .min(1)
    .optional()
    .describe('Numbers: further forms of negative ones, `(5)` and `5-`.'),
  suffixes: z
    .record(text, z.number().positive('expected a number above 0'))
    .optional()
    .describe('Numbers: what stands behind them, and what that multiplies them by: `{ K: 1000, M: 1000000 }`.'),
  separators: z.array(text).min(1).optional().describe('Lists: separators to split at.'),
  emptyItems: z
    .enum(['keep', 'drop'])
    .optional()
    .describe('Lists: whether items without a value keep their places. Default: `keep`.'),
  nulls: words.optional().describe('Words that mean "no value" in this column.'),
})

/** How a contract's column is read: names for it, or names and more. */
const columnReading = z.union([text, z.array(text).min(1, 'expected at least one name'), columnDetails])

/**
 * Which row of a key wins. `newest`: the newest row unchanged, and without a key one of rows that are equal in all
 * columns. `fill`: each missing value is taken from the newest row that has it. `keep`: every row stays; only without a
 * key. In SQL: `refine/row-order.ts` of the transformer.
 */
export const DuplicateRule = z.enum(['newest', 'fill', 'keep'])

/**
 * What becomes of a column that has values in the table and is not in a landing. `fail`: the refine task fails. `keep`:
 * rows that are merged keep their values, others have none. `empty`: the landing's rows have no value in it.
 */
export const MissingColumns = z.enum(['fail', 'keep', 'empty'])

/** A share of rows, `20%`, as a number from 0 to 1. */
const share = z
  .string()
  .regex(/^(?:100|\d{1,2}(?:\.\d+)?)%$/, 'expected a share from `0%` to `100%`')
  .transform((given) => Number(given.slice(0, -1)) / 100)

/** What every dataset may say, whatever its source. */
export const commonDataset = {
  contract: text
    .optional()
    .describe("The contract's file, relative to the pipeline. Default: `contracts/<dataset>.yaml`."),
  mode: RefineMode.optional().describe("What a window's rows do to the refined table. Default: `snapshot`."),
  newestBy: z.array(text).optional().describe('Of several rows with one key the greatest by these columns wins.'),
  duplicates: DuplicateRule.optional().describe(
    'Of rows with one key: `newest`, or `fill` (values missing in the newest row are taken from older ones). Of equal rows without a key: `keep` all of them, or one (`newest`). Default: `newest`; `keep` without a key.',
  ),
  maxRejected: share
    .optional()
    .describe(
      "The largest share of a window's rows that may be rejected; more fail the refine task, `100%` never. Default: half of ten rows or more, and never all of them.",
    ),
  missingColumns: MissingColumns.optional().describe(
    'A column that has values in the table and is gone from the source: `fail`; `keep` (merged rows keep their values); `empty` (no value). Default: `fail`; for records of JSON and XML, which may leave out fields, where none has it and that is no chance.',
  ),
  partitionBy: z.array(text).optional().describe('Columns that the refined table is partitioned by.'),
  columns: z.record(text, columnReading).optional().describe("How the contract's columns are read."),
}

export const nulls = words.optional().describe('Words that mean "no value" in every column.')

/** The site whose agent reads a source. */
export const site = plainName.optional().describe('The site whose agent reads the source.')

export type ColumnReadingText = z.infer<typeof columnReading>
export type ColumnDetailsText = z.infer<typeof columnDetails>

/** How text becomes a column's value. Steps run in this order: path, trim, null words, values, extract, number or date or list. */
export const ColumnReading = z.object({
  /** Names that the source may give the column, in order of preference; compared without case, spaces, `-` and `_`. */
  from: z.array(z.string()).min(1),
  /** CSV: number of the field, from 1; the names in the header do not count. */
  position: z.int().min(1).optional(),
  /** Columns of JSON, of nested types or of what Python prints: where the value is, `address.city`. */
  path: z.string().optional(),
  /** Whether blanks around a text are dropped. Default: for the text of files, not for typed sources. */
  trim: z.boolean().optional(),
  /**
   * Regular expression with one group: the part of the text that is meant (`(\d+) min`). It matches the whole text
   * unless `part`; a text that it does not match is not of the type unless `noMatch` is null.
   */
  extract: z
    .union([
      z.string(),
      z.object({
        pattern: z.string(),
        part: z.boolean().optional(),
        noMatch: z.union([z.null(), z.literal('reject')]).optional(),
      }),
    ])
    .optional(),
  /** Texts to replace as a whole: `{ "TV Show": SHOW }`; compared without case. */
  values: z.record(z.string(), z.string()).optional(),
  /** Dates and instants: accepted formats in strftime letters (`%Y-%m-%d`), or `epoch`, `epochMillis`, `excel`, tried in order. */
  formats: z.array(z.string()).optional(),
  /** Language of the names of months and weekdays, beside English: an IETF tag. */
  language: z.string().optional(),
  /** The first of the hundred years that years of two digits are of. Default: 1969. */
  pivotYear: z.int().optional(),
  /** Of a local time that the zone has twice, which one is meant. Default: none. */
  ambiguous: z.enum(['earlier', 'later']).optional(),
  /** Instants without an offset are of this zone. */
  timeZone: z.string().optional(),
  /** Numbers: the decimal signs to understand; the other of `.` and `,` is then a thousands separator. */
  decimal: z.enum(['.', ',', 'any']).optional(),
  /** Numbers: what 100% stands for (10 for a score of 0 to 10). Without it a `%` is a type error. */
  percentOf: z.number().optional(),
  /** Numbers: groups of three digits (default), as in India, or of any length. */
  grouping: z.enum(['thousands', 'indian', 'any']).optional(),
  /** Numbers: further forms of negative ones, `(5)` and `5-`. */
  negatives: z.array(z.enum(['parentheses', 'trailing'])).optional(),
  /** Numbers: what stands behind them, and what that multiplies them by; compared without case. */
  suffixes: z.record(z.string(), z.number()).optional(),
  /** Lists: whether items without a value keep their places (default). */
  emptyItems: z.enum(['keep', 'drop']).optional(),
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
  personal: z.object({ allowedIn: z.array(z.enum(['refined', 'mart', 'files'])) }).optional(),
  /** Names that the column had before, the latest first: values that the table has under one of them are the column's. */
  renamedFrom: z.array(z.string()).optional(),
  description: z.string().optional(),
  reading: ColumnReading,
})
export type CheckedColumn = z.infer<typeof CheckedColumn>
