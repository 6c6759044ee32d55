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
