import { z } from 'zod'
import { template } from './template.ts'

/** What says that a page was the last. All that is given counts, whichever comes first. */
export const RestEnd = z.object({
  /** A page without records. */
  emptyPage: z.boolean(),
  /** A page with fewer records than were asked for. */
  shortPage: z.boolean(),
  /** Where the number of all records is in the body. */
  total: z.string().optional(),
  /** Where the number of all pages is in the body. */
  totalPages: z.string().optional(),
  /** A value in the body that says so: nothing there, or this constant. */
  when: z
    .object({ path: z.string(), is: z.union([z.string(), z.number(), z.boolean(), z.null()]).optional() })
    .optional(),
})
export type RestEnd = z.infer<typeof RestEnd>

/** What all ways to further pages have in common. */
const common = {
  end: RestEnd.default({ emptyPage: false, shortPage: false }),
  maxPages: z.int().positive().optional(),
  atMaxPages: z.enum(['fail', 'stop']).default('fail'),
  samePage: z.enum(['fail', 'allow']).default('fail'),
}

/** Where pages are counted, an empty one is the last unless something else is said. */
const counting = { ...common, end: RestEnd.default({ emptyPage: true, shortPage: false }) }

/** Where a value of a request goes: one of the three. */
export const spot = {
  parameter: z.string().optional(),
  bodyField: z.string().optional(),
  requestHeader: z.string().optional(),
}
const size = {
  sizeParameter: z.string().optional(),
  sizeBodyField: z.string().optional(),
  size: z.int().positive().optional(),
}

export const RestPagination = z.discriminatedUnion('type', [
  z.object({ type: z.literal('none') }),
  /** Recognised from the first answer. */
  z.object({ type: z.literal('auto'), ...common }),
  /** `?page=1`, `?page=2` …, until a page has no records. */
  z.object({ type: z.literal('page'), ...spot, first: z.int(), ...size, ...counting }),
  /** `?offset=0`, `?offset=100` …: how many records were read before. */
  z.object({ type: z.literal('offset'), ...spot, first: z.int().default(0), ...size, ...counting }),
  /** The body holds the address of the next page, absolute or relative; absent or null on the last. */
  z.object({ type: z.literal('nextLink'), path: z.string(), ...common }),
  /** The `Link` header holds it (RFC 8288). */
  z.object({ type: z.literal('linkHeader'), rel: z.string().default('next'), ...common }),
  /** The body or a header holds a cursor for the next request; absent, null or empty on the last. */
  z.object({
    type: z.literal('cursor'),
    path: z.string().optional(),
    header: z.string().optional(),
    ...spot,
    ...common,
  }),
  /** One page for each of these values. */
  z.object({
    type: z.literal('range'),
    ...spot,
    values: z.array(z.union([template, z.number(), z.boolean()])),
    ...common,
  }),
])
export type RestPagination = z.infer<typeof RestPagination>
