import { z } from 'zod'
import { template } from './template.ts'

export const RestAuth = z.discriminatedUnion('type', [
  z.object({ type: z.literal('none') }),
  z.object({ type: z.literal('bearer'), token: template }),
])
export type RestAuth = z.infer<typeof RestAuth>

export const RestPagination = z.discriminatedUnion('type', [
  z.object({ type: z.literal('none') }),
  /** `?page=1`, `?page=2` …, until a page has no records. */
  z.object({
    type: z.literal('page'),
    parameter: z.string(),
    first: z.int(),
    sizeParameter: z.string().optional(),
    size: z.int().positive().optional(),
  }),
  /** The body holds the address of the next page, absolute or relative; absent or null on the last. */
  z.object({ type: z.literal('nextLink'), path: z.string() }),
  /** The body holds a cursor for the next request; absent, null or empty on the last. */
  z.object({ type: z.literal('cursor'), path: z.string(), parameter: z.string() }),
])
export type RestPagination = z.infer<typeof RestPagination>

export const RestDataset = z.object({
  name: z.string(),
  /** Path below the base URL. */
  path: template,
  /** Query parameters; `{window.start}` and `{window.end}` stand for the window's instants. */
  query: z.record(z.string(), template),
  /** Where the records are in the body: `$` for the body itself, `$.data.items` for a field. */
  records: z.string(),
  pagination: RestPagination,
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
  datasets: z.array(RestDataset),
})
export type RestSource = z.infer<typeof RestSource>
