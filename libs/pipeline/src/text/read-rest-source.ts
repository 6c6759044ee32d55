import type { RestPagination, RestSource } from '../checked/rest-source.ts'
import { durationMs } from './duration.ts'
import { withoutPlaceholders } from './placeholders.ts'
import type { RestSourceText } from './rest-source-schema.ts'
import { checkUrl, type SourcePlace } from './source-place.ts'

/** Requests after the first. Five doublings from half a second outlast a server's restart. */
const DEFAULT_RETRIES = 5
const DEFAULT_TIMEOUT_MS = 30_000

export function readRestSource(
  name: string,
  source: RestSourceText,
  { text, path, problems }: SourcePlace,
): RestSource {
  checkUrl(source.baseUrl, ['https', 'http'], { text, path: [...path, 'baseUrl'], problems })
  if (source.auth?.type === 'bearer' && !source.auth.token.includes('${')) {
    problems.error(
      text.at([...path, 'auth', 'token']),
      'the token stands in the text',
      "write '${secret:NAME}' in its place and keep it with the secrets",
    )
  }
  for (const [header, value] of Object.entries(source.headers ?? {})) {
    if (!/^(authorization|cookie|.*(api-?key|token|secret).*)$/i.test(header) || value.includes('${')) continue
    problems.error(
      text.at([...path, 'headers', header]),
      `the header \`${header}\` has its secret in the text`,
      "write '${secret:NAME}' in its place and keep it with the secrets",
    )
  }
  const datasets = Object.entries(source.datasets).map(([dataset, rest]) => {
    const here = [...path, 'datasets', dataset]
    const records = rest.records ?? '$'
    checkJsonPath(records, { text, path: [...here, 'records'], problems })
    const pagination: RestPagination = pageDefaults(rest.pagination)
    if ('path' in pagination) checkJsonPath(pagination.path, { text, path: [...here, 'pagination', 'path'], problems })
    for (const [parameter, value] of Object.entries(rest.query ?? {})) {
      for (const [form] of withoutPlaceholders(value).matchAll(/\{[^{}]*\}/g)) {
        if (form === '{window.start}' || form === '{window.end}') continue
        problems.error(
          text.at([...here, 'query', parameter]),
          `unknown part \`${form}\` in a query parameter`,
          'expected `{window.start}` or `{window.end}`',
        )
      }
    }
    return { name: dataset, path: rest.path, query: rest.query ?? {}, records, pagination }
  })
  return {
    type: 'rest',
    name,
    baseUrl: source.baseUrl,
    headers: source.headers ?? {},
    auth: source.auth ?? { type: 'none' },
    maxRetries: source.maxRetries ?? DEFAULT_RETRIES,
    timeoutMs: source.timeout === undefined ? DEFAULT_TIMEOUT_MS : durationMs(source.timeout),
    datasets,
  }
}

function pageDefaults(pagination: RestSourceText['datasets'][string]['pagination']): RestPagination {
  if (pagination === undefined) return { type: 'none' }
  if (pagination.type !== 'page') return pagination
  const { type, parameter, first = 1, sizeParameter, size } = pagination
  return {
    type,
    parameter,
    first,
    ...(sizeParameter === undefined ? {} : { sizeParameter }),
    ...(size === undefined ? {} : { size }),
  }
}

function checkJsonPath(jsonPath: string, { text, path, problems }: SourcePlace): void {
  if (/^\$(?:\.[^.[\]]+|\['[^']*'\]|\["[^"]*"\]|\[\d+\])*$/.test(jsonPath)) return
  problems.error(
    text.at(path),
    `'${jsonPath}' is no path into a JSON body`,
    'expected `$` for the body itself or `$.field.field` for what is in it',
  )
}
