import { z } from 'zod'
import { FileReading, RefineMode } from '../checked/dataset.ts'
import { mapping } from './check-shape.ts'

/** Characters. PostgreSQL cuts longer names off. Source: postgresql.org/docs/current/sql-syntax-lexical.html */
const MAX_NAME_LENGTH = 63

/** A name that is a table in SQL, a folder in the lake and a part of a task's name. */
export const tableName = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_]*$/, 'expected letters, digits and `_`, beginning with a letter')
  .max(MAX_NAME_LENGTH, `expected at most ${MAX_NAME_LENGTH} characters`)

/** A name that is a folder in the lake and a part of a task's name. */
export const plainName = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_-]*$/, 'expected letters, digits, `_` and `-`, beginning with a letter')
  .max(MAX_NAME_LENGTH, `expected at most ${MAX_NAME_LENGTH} characters`)

export const duration = z
  .string()
  .regex(/^\d+(ms|s|m|h|d)$/, 'expected a number and a unit (`ms`, `s`, `m`, `h`, `d`), such as `90s` or `3h`')

const word = z.union([z.string(), z.int()]).transform(String)
const words = z.array(word)
const text = z.string().min(1, 'expected a text that is not empty')
const oneCharacter = z.string().regex(/^[\t -~]$/, 'expected one character of ASCII')

const columnDetails = mapping({
  from: z
    .union([text, z.array(text).min(1, 'expected at least one name')])
    .optional()
    .describe(
      "Names that the source gives the column, in order of preference; the contract's name is always the last.",
    ),
  extract: text.optional().describe('Regular expression with one group: the part of the text that is meant.'),
  values: z
    .record(z.string(), z.union([z.string(), z.number(), z.boolean()]).transform(String))
    .optional()
    .describe('Texts to replace as a whole: `{ TV Show: SHOW }`.'),
  formats: z
    .array(text)
    .min(1)
    .optional()
    .describe('Dates and times: accepted formats in strftime letters, tried in order.'),
  timeZone: text.optional().describe('Timestamps without an offset are of this zone (IANA name).'),
  decimal: z.enum(['.', ',', 'any']).optional().describe('Numbers: the decimal sign; `any` understands both.'),
  percentOf: z.number().positive('expected a number above 0').optional().describe('Numbers: what 100% stands for.'),
  separators: z.array(text).min(1).optional().describe('Lists: separators to split at.'),
  nulls: words.optional().describe('Words that mean "no value" in this column.'),
})

/** How a contract's column is read: names for it, or names and more. */
const columnReading = z.union([text, z.array(text).min(1, 'expected at least one name'), columnDetails])

const commonDataset = {
  contract: text
    .optional()
    .describe("The contract's file, relative to the pipeline. Default: `contracts/<dataset>.yaml`."),
  mode: RefineMode.optional().describe("What a window's rows do to the refined table. Default: `snapshot`."),
  newestBy: z.array(text).optional().describe('Of several rows with one key the greatest by these columns wins.'),
  duplicates: z
    .enum(['newest', 'fill'])
    .optional()
    .describe('`fill`: values missing in the newest row are taken from older ones. Default: `newest`.'),
  partitionBy: z.array(text).optional().describe('Columns that the refined table is partitioned by.'),
  columns: z.record(text, columnReading).optional().describe("How the contract's columns are read."),
}

const nulls = words.optional().describe('Words that mean "no value" in every column.')

const filesDataset = mapping({
  files: text.describe(
    "Glob below the source's path; `{yyyy}`, `{MM}`, `{dd}`, `{HH}` stand for the start of the window.",
  ),
  whenMissing: z
    .enum(['fail', 'skip'])
    .optional()
    .describe('What becomes of a window for which no file came. Default: `fail`.'),
  read: mapping({
    encoding: FileReading.shape.encoding.describe('Default: found out from the file.'),
    delimiter: oneCharacter.optional().describe('Default: found out from the file.'),
    quote: oneCharacter.optional().describe('Default: found out from the file.'),
    header: z.boolean().optional().describe('Whether the first record names the columns. Default: `true`.'),
    nulls,
  })
    .optional()
    .describe('How the files are read.'),
  ...commonDataset,
})

const databaseDataset = mapping({
  table: text.describe('`schema.table` in the database.'),
  incremental: text.optional().describe('Column by which only rows of the window are read.'),
  ...commonDataset,
})

const pagination = z.discriminatedUnion('type', [
  mapping({ type: z.literal('none') }),
  mapping({
    type: z.literal('page'),
    parameter: text.describe("Query parameter that carries the page's number."),
    first: z.int().optional().describe('Number of the first page. Default: 1.'),
    sizeParameter: text.optional().describe("Query parameter that carries the page's size."),
    size: z.int().positive('expected a number above 0').optional(),
  }),
  mapping({
    type: z.literal('nextLink'),
    path: text.describe("Where the next page's address is in the body: `$.links.next`."),
  }),
  mapping({
    type: z.literal('cursor'),
    path: text.describe('Where the cursor is in the body: `$.next`.'),
    parameter: text.describe('Query parameter that carries the cursor.'),
  }),
])

const restDataset = mapping({
  path: text.describe('Path below the base URL.'),
  query: z
    .record(text, z.union([z.string(), z.number(), z.boolean()]).transform(String))
    .optional()
    .describe("Query parameters; `{window.start}` and `{window.end}` stand for the window's instants."),
  records: text.optional().describe('Where the records are in the body. Default: `$`, the body itself.'),
  pagination: pagination.optional().describe('How one gets to the next page. Default: there is one.'),
  read: mapping({ nulls }).optional(),
  ...commonDataset,
})

const site = plainName.optional().describe('The site whose agent reads the source.')

const filesSource = mapping({
  type: z.literal('files'),
  path: text.describe("Folder on the agent's machine."),
  site,
  datasets: z.record(tableName, filesDataset),
})

const databaseSource = mapping({
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

const restSource = mapping({
  type: z.literal('rest'),
  baseUrl: text,
  headers: z.record(text, z.string()).optional(),
  auth: z
    .discriminatedUnion('type', [
      mapping({ type: z.literal('none') }),
      mapping({ type: z.literal('bearer'), token: text.describe('`${secret:NAME}`') }),
    ])
    .optional(),
  maxRetries: z.int().min(0, 'expected 0 or more').optional().describe('Retries of one request. Default: 5.'),
  timeout: duration.optional().describe('Of one request. Default: `30s`.'),
  datasets: z.record(tableName, restDataset),
})

/** A source as it stands in `pipeline.yaml`. */
export const SourceText = z.discriminatedUnion('type', [filesSource, databaseSource, restSource])
export type SourceText = z.infer<typeof SourceText>
export type FilesSourceText = z.infer<typeof filesSource>
export type DatabaseSourceText = z.infer<typeof databaseSource>
export type RestSourceText = z.infer<typeof restSource>
export type DatasetText = z.infer<typeof filesDataset> | z.infer<typeof databaseDataset> | z.infer<typeof restDataset>
export type ColumnReadingText = z.infer<typeof columnReading>
export type ColumnDetailsText = z.infer<typeof columnDetails>
