import type { CheckedSource, RestPagination } from '../checked/source.ts'
import { suggest } from '../did-you-mean.ts'
import type { Problems } from '../problem.ts'
import { durationMs } from './duration.ts'
import { filePatternProblems } from './file-pattern.ts'
import { withoutPlaceholders } from './placeholders.ts'
import type { DatabaseSourceText, FilesSourceText, RestSourceText, SourceText } from './source-schema.ts'
import type { YamlPath, YamlText } from './yaml-text.ts'

type Place = { readonly text: YamlText; readonly path: YamlPath; readonly problems: Problems }

/** Turns a source's text into what the service that reads it needs. */
export function readSource(name: string, source: SourceText, place: Place): CheckedSource {
  if (source.type === 'files') return filesSource(name, source, place)
  return source.type === 'database' ? databaseSource(name, source, place) : restSource(name, source, place)
}

function filesSource(name: string, source: FilesSourceText, { text, path, problems }: Place): CheckedSource {
  const datasets = Object.entries(source.datasets).map(([dataset, { files, whenMissing = 'fail' }]) => {
    const at = text.at([...path, 'datasets', dataset, 'files'])
    for (const { message, remedy } of filePatternProblems(files)) problems.error(at, message, remedy)
    return { name: dataset, files, whenMissing }
  })
  return { type: 'files', name, path: source.path, ...siteOf(source), datasets }
}

function databaseSource(name: string, source: DatabaseSourceText, { text, path, problems }: Place): CheckedSource {
  checkUrl(source.url, DATABASE_SCHEMES, { text, path: [...path, 'url'], problems })
  const password = /^[a-z]+:\/\/[^/@:]*:(.+)@/i.exec(source.url)?.[1]
  if (password !== undefined && !/^\$\{secret:[^}]*\}$/.test(password)) {
    problems.error(
      text.at([...path, 'url']),
      'the password is not kept as a secret',
      'write `${secret:NAME}` in its place and keep it with the secrets',
    )
  }
  const datasets = Object.entries(source.datasets ?? {}).map(([dataset, { table, incremental }]) => {
    const [schema, ...rest] = table.split('.')
    const tableName = rest.join('.')
    if (schema === undefined || schema === '' || tableName === '') {
      problems.error(
        text.at([...path, 'datasets', dataset, 'table']),
        `the table '${table}' has no schema`,
        `expected \`schema.table\`, such as \`${defaultSchema(source.url)}.${table}\``,
      )
    }
    return {
      name: dataset,
      table: { schema: schema ?? '', name: tableName },
      ...(incremental === undefined ? {} : { incremental: { column: incremental } }),
    }
  })
  for (const key of ['include', 'exclude'] as const) {
    for (const [index, pattern] of (source.tables?.[key] ?? []).entries()) {
      if (pattern.includes('.')) continue
      problems.error(
        text.at([...path, 'tables', key, index]),
        `the pattern '${pattern}' has no schema`,
        `expected \`schema.table\` with \`*\` for any text, such as \`${defaultSchema(source.url)}.${pattern}\``,
      )
    }
  }
  return {
    type: 'database',
    name,
    url: source.url,
    ...siteOf(source),
    include: source.tables?.include ?? [],
    exclude: source.tables?.exclude ?? [],
    datasets,
  }
}

const DATABASE_SCHEMES = ['postgres', 'postgresql', 'mssql']
const defaultSchema = (url: string) => (url.startsWith('mssql') ? 'dbo' : 'public')

/** Requests after the first. Five doublings from half a second outlast a server's restart. */
const DEFAULT_RETRIES = 5
const DEFAULT_TIMEOUT_MS = 30_000

function restSource(name: string, source: RestSourceText, { text, path, problems }: Place): CheckedSource {
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

function checkJsonPath(jsonPath: string, { text, path, problems }: Place): void {
  if (/^\$(?:\.[^.[\]]+|\['[^']*'\]|\["[^"]*"\]|\[\d+\])*$/.test(jsonPath)) return
  problems.error(
    text.at(path),
    `'${jsonPath}' is no path into a JSON body`,
    'expected `$` for the body itself or `$.field.field` for what is in it',
  )
}

function checkUrl(url: string, schemes: readonly string[], { text, path, problems }: Place): void {
  if (url.startsWith('${')) return
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(url)?.[1]?.toLowerCase()
  if (scheme !== undefined && schemes.includes(scheme)) return
  problems.error(
    text.at(path),
    scheme === undefined ? 'the address has no scheme' : `unknown scheme \`${scheme}:\``,
    scheme === undefined
      ? `expected it to begin with ${schemes.map((known) => `\`${known}://\``).join(' or ')}`
      : suggest(scheme, schemes),
  )
}

const siteOf = ({ site }: { readonly site?: string | undefined }) => (site === undefined ? {} : { site })
