import type { RestDataset, RestSource } from '../checked/rest-source.ts'
import { durationMs } from './duration.ts'
import type { RestDatasetText, RestSourceText } from './rest-source-schema.ts'
import { sizeBytes } from './size.ts'
import type { SourcePlace } from './source-place.ts'

type SourceLimits = Pick<
  RestSource,
  | 'limits'
  | 'concurrency'
  | 'retryBudget'
  | 'statuses'
  | 'connectTimeoutMs'
  | 'headersTimeoutMs'
  | 'bodyTimeoutMs'
  | 'maxResponseBytes'
  | 'allowPrivate'
  | 'tls'
>

/** Checks how politely a source wants to be asked. */
export function readRestLimits(source: RestSourceText, { text, path, problems }: SourcePlace): SourceLimits {
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
export function readDatasetLimits(rest: RestDatasetText): Pick<RestDataset, 'statuses' | 'maxResponseBytes'> {
  return { ...present('statuses', rest.statuses), ...present('maxResponseBytes', bytes(rest.maxResponse)) }
}

const millis = (text: string | undefined) => (text === undefined ? undefined : Math.max(1, durationMs(text)))
const bytes = (text: string | undefined) => (text === undefined ? undefined : Math.max(1, sizeBytes(text)))

function present<Name extends string, Value>(name: Name, value: Value | undefined): { [Key in Name]?: Value } {
  return value === undefined ? {} : ({ [name]: value } as { [Key in Name]: Value })
}
