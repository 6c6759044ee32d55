import type { RestSource } from '../checked/rest-source.ts'
import { AS_SECRET } from './check-shape.ts'
import { durationMs } from './duration.ts'
import { readRestAuth } from './read-rest-auth.ts'
import { readRestDataset } from './read-rest-dataset.ts'
import { readRestLanding } from './read-rest-landing.ts'
import { readDatasetLimits, readRestLimits } from './read-rest-limits.ts'
import type { RestSourceText } from './rest-source-schema.ts'
import { isSecretHeader } from './secret-names.ts'
import { checkHttpUrl, type SourcePlace } from './source-place.ts'

/** Requests after the first. Five doublings from half a second outlast a server's restart. */
const DEFAULT_RETRIES = 5
const DEFAULT_TIMEOUT_MS = 30_000

export function readRestSource(name: string, source: RestSourceText, place: SourcePlace): RestSource {
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
    ...readRestLimits(source, place),
    datasets: Object.entries(source.datasets).map(([dataset, rest]) => ({
      ...readRestDataset(dataset, rest, at('datasets', dataset)),
      ...readDatasetLimits(rest),
      ...readRestLanding(dataset, rest, source.datasets, at('datasets', dataset)),
    })),
  }
}

function checkHeaders(headers: Readonly<Record<string, string>>, { text, path, problems }: SourcePlace): void {
  for (const [header, value] of Object.entries(headers)) {
    if (!isSecretHeader(header) || value.includes('${')) continue
    problems.error(text.at([...path, header]), `the header \`${header}\` has its secret in the text`, AS_SECRET)
  }
}
