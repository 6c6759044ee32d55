import type { Answers, Kind } from './questions.ts'

/** A source and its dataset as they stand in pipeline.yaml. */
export type SourceText = {
  readonly source: Readonly<Record<string, unknown>>
  readonly dataset: Readonly<Record<string, unknown>>
}

/** What the answers mean in pipeline.yaml. */
export function sourceText(kind: Kind, answers: Answers): SourceText {
  const of = (...flags: readonly string[]) => given(answers, flags)
  const mode = answers['mode'] === 'snapshot' ? {} : of('mode')
  switch (kind) {
    case 'files':
      return { source: { type: kind, ...of('path', 'site') }, dataset: { ...of('files'), ...mode } }
    case 'rest': {
      const pagination = answers['pagination'] === 'auto' ? { pagination: { type: 'auto' } } : {}
      const records = answers['records'] === '$' ? {} : of('records')
      return {
        source: { type: kind, baseUrl: answers['base-url'], ...authText(answers) },
        dataset: { ...of('path'), ...records, ...pagination, ...mode },
      }
    }
    case 'database': {
      const incremental = of('incremental')
      return {
        source: { type: kind, url: urlText(answers), ...of('site') },
        dataset: { ...of('table'), ...incremental, ...mode },
      }
    }
    case 'push':
      break
  }
  return { source: { type: kind, auth: { keys: [secretText(answers)] } }, dataset: mode }
}

/** What a source that is there says to the questions about it, by flag: any of these answers fits. */
export function sourceAnswers(kind: Kind, source: Readonly<Record<string, unknown>>): Record<string, string[]> {
  const auth = isRecord(source['auth']) ? source['auth'] : {}
  switch (kind) {
    case 'files':
      return { path: textsOf(source['path']), site: textsOf(source['site']) }
    case 'rest':
      return {
        'base-url': textsOf(source['baseUrl']).map(withoutPassword),
        auth: textsOf(auth['type'] ?? 'none'),
        username: textsOf(auth['username']),
        secret: secretsIn(auth['token'], auth['password'], auth['key']),
        header: textsOf(auth['header'] ?? (auth['type'] === 'apiKey' ? 'X-API-Key' : undefined)),
      }
    case 'database': {
      const { url } = source
      return { url: textsOf(url).map(withoutPassword), secret: secretsIn(url), site: textsOf(source['site']) }
    }
    case 'push':
      break
  }
  return { secret: secretsIn(...(Array.isArray(auth['keys']) ? (auth['keys'] as unknown[]) : [])) }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function textsOf(value: unknown): string[] {
  return typeof value === 'string' ? [value] : []
}

function secretsIn(...values: readonly unknown[]): string[] {
  return values
    .flatMap(textsOf)
    .flatMap((text) => Array.from(text.matchAll(/\$\{secret:([^}]+)\}/g), ([, name = '']) => name))
}

/** An address is told without what may be a password. */
export function withoutPassword(url: string): string {
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/[^/@:]+):[^/]*@/i, '$1@')
}

function given(answers: Answers, flags: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    flags.flatMap((flag) => {
      const answer = answers[flag]
      return answer === undefined ? [] : [[flag, answer]]
    }),
  )
}

const secretText = ({ secret = '' }: Answers) => `\${secret:${secret}}`

function authText(answers: Answers): object {
  const { auth, username, header } = answers
  if (auth === 'bearer') return { auth: { type: auth, token: secretText(answers) } }
  if (auth === 'basic') return { auth: { type: auth, username, password: secretText(answers) } }
  if (auth !== 'apiKey') return {}
  return { auth: { type: auth, key: secretText(answers), ...(header === 'X-API-Key' ? {} : { header }) } }
}

/** `postgres://user@host/db` with the password's place in it. */
function urlText(answers: Answers): string {
  const { url = '', secret } = answers
  if (secret === undefined) return url
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/[^/@:]+)@/i, (_, user: string) => `${user}:${secretText(answers)}@`)
}
