import { z } from 'zod'
import { DriftPolicy, Flatten } from '../checked/rest-landing.ts'
import { tableName, text } from './schema-words.ts'

const names = z.array(text).min(1, 'expected at least one name')

/** What a dataset says of how its records become rows. */
export const restLanding = {
  key: names
    .optional()
    .describe('Fields that tell records apart: what is read twice because the data moved between pages lands once.'),
  flatten: z
    .union([Flatten, z.record(text, Flatten)])
    .optional()
    .describe(
      'Objects within records: `dots` (columns `address.city`) or `json`; for all, or by field. Default: `dots`.',
    ),
  drift: DriftPolicy.optional().describe(
    'Fields that the contract does not know: `evolve` (columns of their own), `ignore`, `rescue` (into `_rescued`), `fail`. Default: `evolve`.',
  ),
  explode: z
    .record(text, tableName)
    .optional()
    .describe('Lists whose items are rows of another dataset: `{ orders: user_orders }`. Needs `key`.'),
  guardFormulas: z
    .boolean()
    .optional()
    .describe('A second file, safe to be opened in a spreadsheet, beside the exact one. Default: false.'),
  parallel: z
    .int()
    .positive('expected a number above 0')
    .optional()
    .describe('With `{dataset.field}` in the path: parents asked about at once. Default: 4.'),
}
