import { z } from 'zod'
import { mapping } from './check-shape.ts'
import { text } from './schema-words.ts'

const scalar = z.union([z.string(), z.number(), z.boolean()])
const count = z.int().positive('expected a number above 0')

const end = mapping({
  emptyPage: z.boolean().optional().describe('A page without records is the last. Default for `page` and `offset`.'),
  shortPage: z.boolean().optional().describe('A page with fewer records than `size` is the last.'),
  total: text.optional().describe('Where the number of all records is in the body: `$.meta.total`.'),
  totalPages: text.optional().describe('Where the number of all pages is in the body.'),
  missing: text.optional().describe('A page whose body has nothing here is the last.'),
  value: mapping({ path: text, is: z.union([scalar, z.null()]) })
    .optional()
    .describe('A page whose body has this value here is the last: `{ path: $.has_more, is: false }`.'),
})

const common = {
  end: end.optional().describe('What says that a page is the last.'),
  maxPages: count.optional().describe('The most pages. Default: 100000.'),
  atMaxPages: z.enum(['fail', 'stop']).optional().describe('What happens there. Default: `fail`.'),
  samePage: z
    .enum(['fail', 'allow'])
    .optional()
    .describe('A page that is byte for byte one that was read: `fail` (default) takes it for a circle.'),
}
export const spot = (what: string) => ({
  parameter: text.optional().describe(`Query parameter that carries ${what}.`),
  bodyField: text.optional().describe(`Path in the body of a POST that carries ${what}: \`$.paging.next\`.`),
  requestHeader: text.optional().describe(`Header of the request that carries ${what}.`),
})
const size = {
  sizeParameter: text.optional().describe("Query parameter that carries the page's size."),
  sizeBodyField: text.optional().describe("Path in the body of a POST that carries the page's size."),
  size: count.optional().describe('Records of a page.'),
}

/** How one gets to the next page, as it stands in `pipeline.yaml`. */
export const restPagination = z.discriminatedUnion('type', [
  mapping({ type: z.literal('none') }),
  mapping({ type: z.literal('auto'), ...common }),
  mapping({
    type: z.literal('page'),
    ...spot("the page's number"),
    first: z.int().optional().describe('Number of the first page. Default: 1.'),
    ...size,
    ...common,
  }),
  mapping({
    type: z.literal('offset'),
    ...spot('the number of records before the page'),
    first: z.int().optional().describe('Offset of the first record. Default: 0.'),
    ...size,
    ...common,
  }),
  mapping({
    type: z.literal('nextLink'),
    path: text.describe("Where the next page's address is in the body: `$.links.next`."),
    ...common,
  }),
  mapping({
    type: z.literal('linkHeader'),
    rel: text.optional().describe('Relation of the link that leads on. Default: `next`.'),
    ...common,
  }),
  mapping({
    type: z.literal('cursor'),
    path: text.optional().describe('Where the cursor is in the body: `$.next`.'),
    header: text.optional().describe('Header of the answer that has the cursor, in place of `path`.'),
    ...spot('the cursor'),
    ...common,
  }),
  mapping({
    type: z.literal('range'),
    ...spot('the value'),
    values: z.array(scalar).min(1, 'expected at least one value').optional(),
    from: z.int().optional().describe('First of a row of numbers, in place of `values`.'),
    to: z.int().optional().describe('Last of them.'),
    step: z.int().optional().describe('Default: 1.'),
    ...common,
  }),
])

export type RestPaginationText = z.infer<typeof restPagination>
export type RestEndText = z.infer<typeof end>
