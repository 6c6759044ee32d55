import { z } from 'zod'
import { RestAuth } from './rest-auth.ts'
import { datasetLanding } from './rest-landing.ts'
import { datasetLimits, sourceLimits } from './rest-limits.ts'
import { RestPagination, spot } from './rest-pagination.ts'
import { template } from './template.ts'

/** What the last page of a window says for the first request of the next one (`@odata.deltaLink`, `nextSyncToken`). */
export const RestCursor = z.object({
  /** Where it is in the body of the last page. */
  path: z.string(),
  /** It is the address of that request; else it goes to one of the spots. */
  link: z.boolean().default(false),
  ...spot,
})
export type RestCursor = z.infer<typeof RestCursor>

export const RestDataset = z.object({
  name: z.string(),
  /** Path below the base URL. */
  path: template,
  method: z.enum(['GET', 'POST']).default('GET'),
  /** Query parameters, with placeholders of the window. */
  query: z.record(z.string(), template),
  /** What a POST sends: any JSON, whose texts may hold placeholders. */
  body: z.json().optional(),
  bodyFormat: z.enum(['json', 'form']).default('json'),
  /** How answers are written. `auto` goes by their content type. */
  format: z.enum(['auto', 'json', 'ndjson', 'csv', 'xml']).default('auto'),
  /** Of CSV answers; found out where it is absent. */
  delimiter: z.string().optional(),
  /** Where the records are in the body: `$` for the body itself, `$.data.items` for a field, or any JSONPath (RFC 9535). */
  records: z.string(),
  /** The values of an object are the records; its names go into this column. */
  recordKey: z.string().optional(),
  pagination: RestPagination,
  /** `{since}` is where the last window that succeeded ended. */
  incremental: z
    .object({
      /** What `{since}` is the first time; without it the parameters that ask for it are left out. */
      start: z.iso.datetime().optional(),
      overlapMs: z.int().min(0),
      /** In place of `{since}`. */
      cursor: RestCursor.optional(),
    })
    .optional(),
  ...datasetLimits,
  ...datasetLanding,
})
export type RestDataset = z.infer<typeof RestDataset>

export const RestSource = z.object({
  type: z.literal('rest'),
  name: z.string(),
  baseUrl: template,
  headers: z.record(z.string(), template),
  auth: RestAuth,
  /** Retries of one request within an attempt: 429, 5xx and dropped connections; Retry-After is honoured. */
  maxRetries: z.int().min(0),
  timeoutMs: z.int().positive(),
  ...sourceLimits,
  datasets: z.array(RestDataset),
})
export type RestSource = z.infer<typeof RestSource>
