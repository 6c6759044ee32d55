import { z } from 'zod'

/** Texts may hold placeholders (`${NAME}`, `${secret:NAME}`), filled by the service that uses them. */
const template = z.string()

export const FilesDataset = z.object({
  name: z.string(),
  /** Glob below the source's path; `{yyyy}`, `{MM}`, `{dd}`, `{HH}` stand for the business time in the name. */
  files: z.string(),
  /** What becomes of a window for which no file came. */
  whenMissing: z.enum(['fail', 'skip']),
})
export type FilesDataset = z.infer<typeof FilesDataset>

export const FilesSource = z.object({
  type: z.literal('files'),
  name: z.string(),
  /** Folder on the agent's machine. */
  path: template,
  /** The site whose agent reads it; commands go to `ingest-files.<site>`. */
  site: z.string().optional(),
  datasets: z.array(FilesDataset),
})
export type FilesSource = z.infer<typeof FilesSource>

export const DatabaseDataset = z.object({
  name: z.string(),
  table: z.object({ schema: z.string(), name: z.string() }),
  /** Only rows whose cursor column lies in [end of the last window, end of this window). Without it the whole table. */
  incremental: z.object({ column: z.string() }).optional(),
})
export type DatabaseDataset = z.infer<typeof DatabaseDataset>

export const DatabaseSource = z.object({
  type: z.literal('database'),
  name: z.string(),
  /** `postgres://user:password@host:port/database`; the password as `${secret:NAME}`. */
  url: template,
  site: z.string().optional(),
  /** Which of the discovered tables are copied: `schema.table` patterns with `*`. */
  include: z.array(z.string()),
  exclude: z.array(z.string()),
  datasets: z.array(DatabaseDataset),
})
export type DatabaseSource = z.infer<typeof DatabaseSource>

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

export const CheckedSource = z.discriminatedUnion('type', [FilesSource, DatabaseSource, RestSource])
export type CheckedSource = z.infer<typeof CheckedSource>
