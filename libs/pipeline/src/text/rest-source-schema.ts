import { z } from 'zod'
import { mapping } from './check-shape.ts'
import { commonDataset, nulls } from './dataset-schema.ts'
import { restAuth } from './rest-auth-schema.ts'
import { restDatasetLimits, restLimits } from './rest-limits-schema.ts'
import { restLanding } from './rest-landing-schema.ts'
import { restPagination, spot } from './rest-pagination-schema.ts'
import { duration, oneCharacter, tableName, text } from './schema-words.ts'
import { mayBeSecret } from './secrets.ts'

const incremental = mapping({
  start: text
    .optional()
    .describe('What `{since}` is the first time: a date or an instant. Default: no `{since}` is sent.'),
  overlap: duration.optional().describe('How far `{since}` goes back behind the last window that succeeded.'),
  cursor: mapping({
    path: text.describe("Where it is in the body of the last page: `$.nextSyncToken`, `$['@odata.deltaLink']`."),
    link: z.boolean().optional().describe("It is the address of the next window's first request."),
    ...spot('it in the next window'),
  })
    .optional()
    .describe('What the server tells at the end, and wants to be told the next time, in place of `{since}`.'),
})

const restDataset = mapping({
  path: mayBeSecret(text)
    .optional()
    .describe('Path below the base URL. `{users.id}` stands for a column of another dataset, row by row.'),
  method: z.enum(['GET', 'POST']).optional().describe('Default: `GET`; `POST` where there is a `body`.'),
  query: z
    .record(text, mayBeSecret(z.union([z.string(), z.number(), z.boolean()]).transform(String)))
    .optional()
    .describe("Query parameters; `{window.start}` and `{window.end}` stand for the window's instants."),
  body: z
    .record(text, mayBeSecret(z.json()))
    .optional()
    .describe('What a POST sends. Its texts may hold placeholders.'),
  bodyFormat: z.enum(['json', 'form']).optional().describe('How it is written. Default: `json`.'),
  format: z
    .enum(['auto', 'json', 'ndjson', 'csv', 'xml'])
    .optional()
    .describe('How answers are written. Default: `auto`, by their content type.'),
  delimiter: oneCharacter.optional().describe('Of CSV answers. Default: found out.'),
  records: text.optional().describe('Where the records are in the body: any JSONPath. Default: `$`, the body itself.'),
  recordKey: text
    .optional()
    .describe('`records` is an object whose values are the records; its names go into this column.'),
  pagination: restPagination.optional().describe('How one gets to the next page. Default: there is one.'),
  incremental: z
    .union([z.literal(true), incremental])
    .optional()
    .describe('Requests have `{since}`: where the last window that succeeded ended.'),
  read: mapping({ nulls }).optional(),
  ...restDatasetLimits,
  ...restLanding,
  ...commonDataset,
})

/** A source of type `rest` as it stands in `pipeline.yaml`. */
export const restSource = mapping({
  type: z.literal('rest'),
  baseUrl: mayBeSecret(text),
  headers: z.record(text, mayBeSecret(z.string())).optional(),
  auth: restAuth.optional(),
  maxRetries: z.int().min(0, 'expected 0 or more').optional().describe('Retries of one request. Default: 5.'),
  timeout: duration.optional().describe('Of one request. Default: `30s`.'),
  ...restLimits,
  datasets: z.record(tableName, restDataset),
})

export type RestSourceText = z.infer<typeof restSource>
export type RestDatasetText = z.infer<typeof restDataset>
