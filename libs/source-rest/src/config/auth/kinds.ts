import { AS_SECRET, isSecretParameter, secretWord, sensitivityOf } from '@cinelake/config-text'
import { checkHttpUrl, textsOf, type Answers, type Question, type SourcePlace } from '@cinelake/source-kind'
import { z } from 'zod'
import { apiKey } from './api-key.ts'
import type { RestAuthKind, RestAuthQuestions } from './auth-kind.ts'
import { azure } from './azure.ts'
import { basic } from './basic.ts'
import { bearer } from './bearer.ts'
import { jwt } from './jwt.ts'
import { none } from './none.ts'
import { oauth2 } from './oauth2.ts'

/** All ways in which a source is told who asks, by `type`. */
const KINDS = { none, bearer, basic, apiKey, oauth2, jwt, azure } as const

/** How a source is told who asks, as it stands in `pipeline.yaml`. */
export const RestAuthText = z.discriminatedUnion('type', [
  none.text,
  bearer.text,
  basic.text,
  apiKey.text,
  oauth2.text,
  jwt.text,
  azure.text,
])
export type RestAuthText = z.infer<typeof RestAuthText>

/** How a REST source is told who asks. */
export const RestAuth = z.discriminatedUnion('type', [
  none.checked,
  bearer.checked,
  basic.checked,
  apiKey.checked,
  oauth2.checked,
  jwt.checked,
  azure.checked,
])
export type RestAuth = z.infer<typeof RestAuth>

/** Checks how a source is told who asks, and puts in defaults. */
export function readRestAuth(auth: RestAuthText | undefined, place: SourcePlace): RestAuth {
  if (auth === undefined) return { type: 'none' }
  for (const [key, value] of Object.entries(auth)) {
    const { secrecy } = sensitivityOf(RestAuthText, [key])
    if (secrecy === 'always' && typeof value === 'string' && !value.includes('${')) secretInText(key, place)
    if (key === 'parameters' && typeof value === 'object') checkParameters(value, place)
  }
  if ('tokenUrl' in auth && auth.tokenUrl !== undefined) {
    checkHttpUrl(
      auth.tokenUrl,
      { ...place, path: [...place.path, 'tokenUrl'] },
      'take them out: `clientId` and `clientSecret` say who asks',
    )
  }
  const kind: RestAuthKind<RestAuthText, RestAuth> = KINDS[auth.type]
  return kind.read(auth, place)
}

function secretInText(key: string, { text, path, problems }: SourcePlace): void {
  problems.error(text.at([...path, key]), `the ${secretWord(key)} stands in the text`, AS_SECRET)
}

/** Fields of a token request that are called as secrets are. */
function checkParameters(parameters: Readonly<Record<string, string>>, place: SourcePlace): void {
  for (const [name, value] of Object.entries(parameters)) {
    if (!isSecretParameter(name) || value.includes('${')) continue
    secretInText(name, { ...place, path: [...place.path, 'parameters'] })
  }
}

/** Those that `cinelake add` offers. */
const ASKED = new Map<string, RestAuthQuestions>(
  Object.entries(KINDS).flatMap(([type, kind]) => ('asks' in kind ? [[type, kind.asks] as const] : [])),
)

/** What `cinelake add` asks of how a source is told who asks. */
export function authQuestions(): Question[] {
  const asked: Question = {
    flag: 'auth',
    value: '<type>',
    ask: `How does it know who asks? ${[...ASKED.keys()].join(', ')}; more in docs/pipeline.md`,
    default: 'none',
    choices: [...ASKED.keys()],
    ofSource: true,
  }
  const further: Question[] = []
  for (const { questions } of ASKED.values()) {
    for (const [index, question] of questions.entries()) {
      const at = (flag: string) => further.findIndex((each) => each.flag === flag)
      if (at(question.flag) >= 0) continue
      // In the order of this kind, where another has asked the next one already.
      const next = questions
        .slice(index + 1)
        .map(({ flag }) => at(flag))
        .find((place) => place >= 0)
      further.splice(next ?? further.length, 0, { ...question, when: isAskedBy(question.flag) })
    }
  }
  return [asked, ...further]
}

const isAskedBy =
  (flag: string) =>
  ({ auth = 'none' }: Answers) =>
    ASKED.get(auth)?.questions.some((question) => question.flag === flag) === true

/** What the answers mean in the text of a source. */
export function writtenAuth(answers: Answers): { readonly auth?: object } {
  const { auth = 'none' } = answers
  return auth === 'none' ? {} : { auth: { type: auth, ...ASKED.get(auth)?.written(answers) } }
}

/** What a source that is there says to the questions about it. */
export function answersOfAuth(auth: unknown): Readonly<Record<string, readonly string[]>> {
  const there = isRecord(auth) ? auth : { type: 'none' }
  const types = textsOf(there['type'])
  return { auth: types, ...types.map((type) => ASKED.get(type)?.answers(there))[0] }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
