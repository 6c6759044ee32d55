import {
  duration,
  durationMs,
  filled,
  mapping,
  mayBeSecret,
  size,
  sizeBytes,
  template,
  text,
} from '@cinelake/config-text'
import type { SourcePlace } from '@cinelake/source-kind'
import { z } from 'zod'

/** How a response with a status is handled. `ignore`: as if it had no records. */
export const StatusAction = z.enum(['retry', 'ignore', 'fail', 'refresh'])
export type StatusAction = z.infer<typeof StatusAction>

/** By status (`404`) or group of statuses (`5xx`). */
export const StatusActions = z.record(z.string(), StatusAction)
export type StatusActions = z.infer<typeof StatusActions>

/** Rate limits, timeouts and trust settings of a source. */
export const sourceLimits = {
  /** All of them apply, across all datasets of the source within one process. */
  limits: z.array(z.object({ requests: z.int().positive(), periodMs: z.int().positive() })).optional(),
  /** Concurrent requests, in the same scope. */
  concurrency: z.int().positive().optional(),
  /** Retries of all requests of one task together. */
  retryBudget: z.int().min(0).optional(),
  statuses: StatusActions.optional(),
  connectTimeoutMs: z.int().positive().optional(),
  headersTimeoutMs: z.int().positive().optional(),
  bodyTimeoutMs: z.int().positive().optional(),
  maxResponseBytes: z.int().positive().optional(),
  /** Hosts whose addresses may be private: names, or addresses as written in a URL. */
  allowPrivate: z.array(z.string()).optional(),
  /** Certificates trusted in addition to those of the machine. */
  tls: z.object({ ca: template.optional(), caFile: template.optional() }).optional(),
}

/** Overrides of one dataset. */
export const datasetLimits = { statuses: StatusActions.optional(), maxResponseBytes: z.int().positive().optional() }

const count = z.int().positive('expected a number above 0')

const statuses = z
  .record(
    z.string().regex(/^[1-5](?:\d\d|xx)$/, 'expected a status such as `404`, or a group such as `5xx`'),
    StatusAction,
  )
  .optional()
  .describe('What is done on a status: `retry`, `ignore` (no records), `fail` or `refresh` (the credentials, once).')

const maxResponse = size.optional().describe('The largest answer, unpacked. Default: what the service allows.')

/** A source's settings of limits, retries, timeouts and trust: keys of the source beside `baseUrl`. */
export const sourceLimitsText = {
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
      .describe('Further certificates in PEM form that are trusted: `${secret:COMPANY_CA}`.'),
    caFile: filled(text).optional().describe('A file with them, on the machine of the service.'),
  }).optional(),
}

/** The same for one dataset. */
export const datasetLimitsText = { statuses, maxResponse }

const SourceLimitsText = z.object(sourceLimitsText)
const DatasetLimitsText = z.object(datasetLimitsText)
const SourceLimits = z.object(sourceLimits)
const DatasetLimits = z.object(datasetLimits)

/** Validates a source's limits. */
export function readSourceLimits(
  source: z.infer<typeof SourceLimitsText>,
  { text, path, problems }: SourcePlace,
): z.infer<typeof SourceLimits> {
  const { limits, timeouts = {}, allowPrivate, tls } = source
  for (const [index, host] of (allowPrivate ?? []).entries()) {
    if (/^[A-Za-z0-9._-]+$|^\[?[0-9A-Fa-f:.]+\]?$/.test(host)) continue
    problems.error(
      text.at([...path, 'allowPrivate', index]),
      `'${host}' is no host`,
      'expected a name or an address without scheme and port: `erp.example.local`',
    )
  }
  if (tls?.ca !== undefined && !tls.ca.includes('${') && !tls.ca.includes('BEGIN CERTIFICATE')) {
    problems.error(
      text.at([...path, 'tls', 'ca']),
      '`ca` is no certificate',
      "expected PEM (`-----BEGIN CERTIFICATE-----`), '${secret:NAME}', or a file as `caFile`",
    )
  }
  return {
    ...present(
      'limits',
      limits?.map(({ requests, per }) => ({ requests, periodMs: Math.max(1, durationMs(per)) })),
    ),
    ...present('concurrency', source.concurrency),
    ...present('retryBudget', source.retryBudget),
    ...present('statuses', source.statuses),
    ...present('connectTimeoutMs', millis(timeouts.connect)),
    ...present('headersTimeoutMs', millis(timeouts.headers)),
    ...present('bodyTimeoutMs', millis(timeouts.body)),
    ...present('maxResponseBytes', bytes(source.maxResponse)),
    ...present('allowPrivate', allowPrivate),
    ...present('tls', tls === undefined ? undefined : { ...present('ca', tls.ca), ...present('caFile', tls.caFile) }),
  }
}

/** The same for one dataset. */
export function readDatasetLimits(rest: z.infer<typeof DatasetLimitsText>): z.infer<typeof DatasetLimits> {
  return { ...present('statuses', rest.statuses), ...present('maxResponseBytes', bytes(rest.maxResponse)) }
}

const millis = (text: string | undefined) => (text === undefined ? undefined : Math.max(1, durationMs(text)))
const bytes = (text: string | undefined) => (text === undefined ? undefined : Math.max(1, sizeBytes(text)))

function present<Name extends string, Value>(name: Name, value: Value | undefined): { [Key in Name]?: Value } {
  return value === undefined ? {} : ({ [name]: value } as { [Key in Name]: Value })
}
