import { filled, mapping, oneCharacter, tableName, text } from '@cinelake/config-text'
import { accessText } from '@cinelake/file-places/config'
import { z } from 'zod'

const DELIVERY_FORMATS = ['csv', 'parquet', 'xlsx'] as const

/** How CSV files are written. */
const csvText = mapping({
  delimiter: oneCharacter.optional().describe('Default: `,`.'),
  header: z.boolean().optional().describe('Whether the first line has the names of the columns. Default: `true`.'),
  quote: z
    .enum(['needed', 'always'])
    .optional()
    .describe('Which values stand in quotes: those that need them, or all but NULL. Default: `needed`.'),
  bom: z.boolean().optional().describe('Whether a byte order mark tells that it is UTF-8. Default: `false`.'),
  null: z
    .string()
    .regex(/^[^"\r\n]*$/, 'expected a text without quotes and line ends')
    .optional()
    .describe('What stands for NULL, always without quotes. Default: nothing; an empty text is `""`.'),
  lineEnd: z.enum(['lf', 'crlf']).optional().describe('Default: `lf`.'),
  decimal: z.enum(['.', ',']).optional().describe('Default: `.`.'),
  dates: text.optional().describe('Form of dates, such as `%d.%m.%Y`. Default: `%Y-%m-%d`.'),
  times: text
    .optional()
    .describe(
      'Form of times with a date, in UTC, such as `%d.%m.%Y %H:%M:%S`. Default: ISO 8601, `2026-03-01T05:00:00Z`.',
    ),
  formulas: z
    .enum(['keep', 'refuse'])
    .optional()
    .describe('`refuse`: fail where a text would be calculated by a spreadsheet (`=…`, `+…`, `@…`). Default: `keep`.'),
})

const deliveredTable = mapping({
  table: text.describe('A dataset or a model.'),
  as: tableName.optional().describe('`{table}` in the name of its file. Default: the same.'),
  columns: z.array(text).min(1).optional().describe('The columns that are delivered, in this order. Default: all.'),
  exclude: z.array(text).optional().describe('Columns that are not delivered.'),
})

/** An entry of `deliver` in `pipeline.yaml`. */
export const DeliveryText = mapping({
  path: filled(text).describe(
    'A folder, or on a server: `abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/FOLDER`, `s3://BUCKET/FOLDER`, `sftp://USER@HOST/FOLDER`.',
  ),
  ...accessText,
  format: z.enum(DELIVERY_FORMATS).describe('Format of the files.'),
  file: text
    .optional()
    .describe(
      'Name of each file, below the path: `{table}`; `{window}`, `{date}`, `{yyyy}`, `{MM}`, `{dd}`, `{HH}` of the start of the window. Default: `{table}_{window}.<format>`.',
    ),
  tables: z
    .array(z.union([text, deliveredTable]))
    .min(1)
    .describe('The tables that are delivered together.'),
  csv: csvText.optional().describe('How CSV files are written.'),
})
