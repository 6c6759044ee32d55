import { checkHttpUrl, type SourceConfig, type SourcePlace } from '@cinelake/source-kind'
import {
  AS_SECRET,
  duration,
  durationMs,
  isSecretHeader,
  mapping,
  mayBeSecret,
  tableName,
  template,
  text,
} from '@cinelake/config-text'
import { z } from 'zod'
import { readRestAuth, RestAuth, RestAuthText } from '../auth/kinds.ts'
import { readRestDataset, RestDataset, RestDatasetText } from './dataset.ts'
import { readLanding } from './landing.ts'
import { readDatasetLimits, readSourceLimits, sourceLimits, sourceLimitsText } from './limits.ts'

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

/** A source of type `rest` in `pipeline.yaml`. */
const RestSourceText = mapping({
  type: z.literal('rest'),
  baseUrl: mayBeSecret(text),
  headers: z.record(text, mayBeSecret(z.string(), 'header')).optional(),
  auth: RestAuthText.optional(),
  maxRetries: z.int().min(0, 'expected 0 or more').optional().describe('Retries of one request. Default: 5.'),
  timeout: duration.optional().describe('Of one request. Default: `30s`.'),
  ...sourceLimitsText,
  datasets: z.record(tableName, RestDatasetText),
})

type RestSourceText = z.infer<typeof RestSourceText>

/** Retries of a request. Five doublings from half a second outlast a server's restart. */
const DEFAULT_RETRIES = 5
const DEFAULT_TIMEOUT_MS = 30_000

function readRestSource(name: string, source: RestSourceText, place: SourcePlace): RestSource {
  const at = (...steps: string[]): SourcePlace => ({ ...place, path: [...place.path, ...steps] })
  checkHttpUrl(
    source.baseUrl,
    at('baseUrl'),
    "take them out and say `auth: { type: basic, username: …, password: '${secret:NAME}' }`",
  )
  checkHeaders(source.headers ?? {}, at('headers'))
  return {
    type: 'rest',
    name,
    baseUrl: source.baseUrl,
    headers: source.headers ?? {},
    auth: readRestAuth(source.auth, at('auth')),
    maxRetries: source.maxRetries ?? DEFAULT_RETRIES,
    timeoutMs: source.timeout === undefined ? DEFAULT_TIMEOUT_MS : durationMs(source.timeout),
    ...readSourceLimits(source, place),
    datasets: Object.entries(source.datasets).map(([dataset, rest]) => ({
      ...readRestDataset(dataset, rest, at('datasets', dataset)),
      ...readDatasetLimits(rest),
      ...readLanding(dataset, rest, source.datasets, at('datasets', dataset)),
    })),
  }
}

function checkHeaders(headers: Readonly<Record<string, string>>, { text, path, problems }: SourcePlace): void {
  for (const [header, value] of Object.entries(headers)) {
    if (!isSecretHeader(header) || value.includes('${')) continue
    problems.error(text.at([...path, header]), `the header \`${header}\` has its secret in the text`, AS_SECRET)
  }
}

/** REST APIs. */
export const restConfig = {
  type: 'rest',
  text: RestSourceText,
  checked: RestSource,
  read: readRestSource,
  plan: ({ datasets }) => ({
    queue: 'ingest-api',
    ingests: parentsFirst(datasets).map((dataset) => ({
      dataset: dataset.name,
      after: parentsOf(dataset),
      incremental: dataset.incremental !== undefined,
    })),
  }),
} as const satisfies SourceConfig<RestSourceText, RestSource>

/** The datasets of the same source whose rows an ingest depends on. */
function parentsOf({ parent, explodedFrom }: RestDataset): string[] {
  return [parent, explodedFrom].flatMap((from) => (from === undefined ? [] : [from.dataset]))
}

/** In the order of the text, but each after its parents. */
function parentsFirst(datasets: readonly RestDataset[]): RestDataset[] {
  const ordered = new Set<RestDataset>()
  const add = (dataset: RestDataset, above: readonly string[]) => {
    for (const parent of datasets) {
      const isParent = parentsOf(dataset).includes(parent.name) && !above.includes(parent.name)
      if (isParent && !ordered.has(parent)) add(parent, [...above, dataset.name])
    }
    ordered.add(dataset)
  }
  for (const dataset of datasets) add(dataset, [])
  return [...ordered]
}
