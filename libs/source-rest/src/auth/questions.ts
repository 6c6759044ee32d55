import { secretsIn, textsOf, type Answers, type Question } from '@cinelake/source-kind/questions'
import type { RestAuth } from './kinds.ts'

/** One field of an `auth` that `cinelake add` asks for. */
type AuthField = Omit<Question, 'ofSource'> & {
  /** Its key in `pipeline.yaml`. */
  readonly key: string
  /** The answer is the name of a secret: `${secret:NAME}` is written. */
  readonly isSecret?: true
  /** What an `auth` without the key means, where that is not the default of the question. */
  readonly implied?: (auth: Readonly<Record<string, unknown>>) => string
}

const text = (flag: string, key: string, ask: string, more: Partial<AuthField> = {}): AuthField => ({
  flag,
  key,
  value: '<text>',
  ask,
  ...more,
})
const secret = (key: string, more: Partial<AuthField> = {}): AuthField =>
  text('secret', key, 'Under which name is the token, password or key kept with the secrets?', {
    value: '<name>',
    isSecret: true,
    ...more,
  })
const choice = (flag: string, key: string, ask: string, choices: readonly string[]): AuthField =>
  text(flag, key, ask, { value: '<type>', choices, default: choices[0] ?? '' })

const tokenUrl = text('token-url', 'tokenUrl', 'What is the address that gives tokens? https://…', { value: '<url>' })
const clientId = text('client-id', 'clientId', 'What is the id of the client?')
const scope = text('scope', 'scope', 'For which scope? Nothing for the one that goes without saying', {
  optional: true,
})
const audience = text('audience', 'audience', 'For which audience? Nothing for the usual one', { optional: true })

const isRefresh = ({ grant }: Answers) => grant === 'refreshToken'
const hasClient = (answers: Answers) => !isRefresh(answers)

/** The fields that are asked for, by kind; all others are in docs/pipeline.md. Loaded for help: no schema, no driver. */
const FIELDS: Readonly<Record<RestAuth['type'], readonly AuthField[]>> = {
  none: [],
  bearer: [secret('token')],
  basic: [text('username', 'username', 'With which user name?', { value: '<name>' }), secret('password')],
  apiKey: [
    secret('key'),
    text('header', 'header', 'In which header goes the key?', { value: '<name>', default: 'X-API-Key' }),
  ],
  oauth2: [
    choice('grant', 'grant', 'What does the client show to get a token?', ['clientCredentials', 'refreshToken']),
    tokenUrl,
    { ...clientId, when: hasClient },
    secret('clientSecret', { when: hasClient }),
    secret('refreshToken', { when: isRefresh }),
    scope,
    audience,
  ],
  jwt: [
    {
      ...choice('as', 'as', 'What is the signed assertion used as?', ['grant', 'clientAssertion', 'token']),
      implied: ({ tokenUrl: given }) => (given === undefined ? 'token' : 'grant'),
    },
    choice('algorithm', 'algorithm', 'With which algorithm is it signed?', ['RS256', 'ES256', 'HS256']),
    secret('key'),
    text('issuer', 'issuer', 'Who issues it?'),
    { ...tokenUrl, when: ({ as }) => as !== 'token' },
    { ...clientId, when: ({ as }) => as === 'clientAssertion' },
    scope,
    audience,
  ],
  azure: [text('scope', 'scope', 'For which scope? api://APPLICATION/.default')],
  awsSigV4: [
    text('access-key-id', 'accessKeyId', 'What is the id of the access key?'),
    secret('secretAccessKey'),
    text('region', 'region', 'In which region is it? eu-central-1'),
    text('service', 'service', 'What is the service called in signatures? execute-api, s3, es …'),
  ],
}

const fieldsOf = (type: string): readonly AuthField[] =>
  Object.entries(FIELDS).find(([name]) => name === type)?.[1] ?? []
const isAsked = ({ when }: AuthField, answers: Answers) => when?.(answers) !== false

/** The kinds of authentication. */
export const AUTH_TYPES = Object.keys(FIELDS)

/** The questions of all kinds; each is asked where its kind was chosen with `auth`. Several kinds may have one flag. */
export const authQuestions: readonly Question[] = Object.entries(FIELDS).flatMap(([type, fields]) =>
  fields.map(({ key: _key, isSecret: _isSecret, implied: _implied, ...question }) => ({
    ...question,
    ofSource: true as const,
    when: (answers: Answers) => answers['auth'] === type && question.when?.(answers) !== false,
  })),
)

/** `auth` in `pipeline.yaml`; no key for answers that go without saying. */
export function writtenAuth(answers: Answers): { readonly auth?: Readonly<Record<string, string>> } {
  const { auth: type = 'none' } = answers
  if (type === 'none') return {}
  const fields = fieldsOf(type).flatMap((field) => {
    const answer = isAsked(field, answers) ? answers[field.flag] : undefined
    if (answer === undefined || answer === field.default) return []
    return [[field.key, field.isSecret === true ? `\${secret:${answer}}` : answer] as const]
  })
  return { auth: { type, ...Object.fromEntries(fields) } }
}

/** The answers that an `auth` in `pipeline.yaml` amounts to, by flag: any of them fits. */
export function answersOfAuth(auth: Readonly<Record<string, unknown>>): Readonly<Record<string, readonly string[]>> {
  const [type = 'none'] = textsOf(auth['type'])
  const answers: Record<string, string[]> = { auth: [type] }
  for (const { flag, key, isSecret, implied, default: usual } of fieldsOf(type)) {
    const value = auth[key] ?? implied?.(auth) ?? usual
    answers[flag] = [...(answers[flag] ?? []), ...(isSecret === true ? secretsIn(value) : textsOf(value))]
  }
  return answers
}
