import { z } from 'zod'
import { mapping } from './check-shape.ts'
import { commonDataset, nulls } from './dataset-schema.ts'
import { duration, tableName, text } from './schema-words.ts'

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

/** A source of type `rest` as it stands in `pipeline.yaml`. */
export const restSource = mapping({
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

export type RestSourceText = z.infer<typeof restSource>
export type RestDatasetText = z.infer<typeof restDataset>
