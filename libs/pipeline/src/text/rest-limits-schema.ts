import { z } from 'zod'
import { StatusAction } from '../checked/rest-limits.ts'
import { mapping } from './check-shape.ts'
import { duration, size, text } from './schema-words.ts'
import { mayBeSecret } from './secrets.ts'

const count = z.int().positive('expected a number above 0')

const statuses = z
  .record(
    z.string().regex(/^[1-5](?:\d\d|xx)$/, 'expected a status such as `404`, or a group such as `5xx`'),
    StatusAction,
  )
  .optional()
  .describe('What is done on a status: `retry`, `ignore` (no records), `fail` or `refresh` (the credentials, once).')

const maxResponse = size.optional().describe('The largest answer, unpacked. Default: what the service allows.')

/** What a source says of limits, repetitions, time and trust: keys of the source beside `baseUrl`. */
export const restLimits = {
  limits: z
    .array(mapping({ requests: count, per: duration }))
    .optional()
    .describe('No more requests than these, over all datasets of the source; several hold at once.'),
  concurrency: count.optional().describe('Requests of the source at once. Default: as many as there are datasets.'),
  retryBudget: z
    .int()
    .min(0, 'expected 0 or more')
    .optional()
    .describe('Retries of all requests of one task together. Default: 500.'),
  statuses,
  timeouts: mapping({
    connect: duration.optional().describe('Until there is a connection. Default: `10s`.'),
    headers: duration.optional().describe('Until an answer begins. Default: `timeout`.'),
    body: duration.optional().describe('Between two pieces of an answer. Default: `timeout`.'),
  }).optional(),
  maxResponse,
  allowPrivate: z
    .array(text)
    .optional()
    .describe("Hosts that may be on the company's own network, by name or address: `[erp.example.local]`."),
  tls: mapping({
    ca: mayBeSecret(text)
      .optional()
      .describe('Certificates in PEM form that are trusted besides: `${secret:COMPANY_CA}`.'),
    caFile: text.optional().describe('A file with them, on the machine of the service.'),
  }).optional(),
}

/** The same of one dataset. */
export const restDatasetLimits = { statuses, maxResponse }
