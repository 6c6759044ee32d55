import {
  datasetQuestion,
  given,
  givenMode,
  modeQuestion,
  secretOf,
  secretsIn,
  sourceQuestion,
  textsOf,
  withoutPassword,
  type Answers,
  type Question,
  type SourceQuestions,
} from '@cinelake/source-kind/questions'

const DEFAULT_HEADER = 'X-API-Key'

/** A kind of authentication, as far as `cinelake add` offers it. */
type AuthQuestions = Pick<SourceQuestions, 'questions' | 'answers'> & {
  readonly written: (answers: Answers) => Readonly<Record<string, unknown>>
}

const username: Question = { flag: 'username', value: '<name>', ask: 'With which user name?', ofSource: true }
const secret: Question = {
  flag: 'secret',
  value: '<name>',
  ask: 'Under which name is the token, password or key kept with the secrets?',
  ofSource: true,
}
const header: Question = {
  flag: 'header',
  value: '<name>',
  ask: 'In which header goes the key?',
  default: DEFAULT_HEADER,
  ofSource: true,
}

const AUTH: Readonly<Record<string, AuthQuestions>> = {
  none: { questions: [], written: () => ({}), answers: () => ({}) },
  bearer: {
    questions: [secret],
    written: (answers) => ({ token: secretOf(answers) }),
    answers: ({ token }) => ({ secret: secretsIn(token) }),
  },
  basic: {
    questions: [username, secret],
    written: (answers) => ({ username: answers['username'], password: secretOf(answers) }),
    answers: (auth) => ({ username: textsOf(auth['username']), secret: secretsIn(auth['password']) }),
  },
  apiKey: {
    questions: [secret, header],
    written: (answers) => ({
      key: secretOf(answers),
      ...(answers['header'] === DEFAULT_HEADER ? {} : { header: answers['header'] }),
    }),
    answers: (auth) => ({ secret: secretsIn(auth['key']), header: textsOf(auth['header'] ?? DEFAULT_HEADER) }),
  },
}
const AUTH_TYPES = Object.keys(AUTH)

/** A question for some kinds of authentication only. */
const ofAuth = (question: Question): Question => ({
  ...question,
  when: ({ auth = 'none' }) => AUTH[auth]?.questions.includes(question) === true,
})

/** The questions of `cinelake add` about a REST API. */
export const restQuestions: SourceQuestions = {
  type: 'rest',
  about: 'a REST API',
  questions: [
    sourceQuestion,
    { flag: 'base-url', value: '<url>', ask: 'What is the base URL of the API? https://…', ofSource: true },
    {
      flag: 'auth',
      value: '<type>',
      ask: `How does it know who asks? ${AUTH_TYPES.join(', ')}; more in docs/pipeline.md`,
      default: 'none',
      choices: AUTH_TYPES,
      ofSource: true,
    },
    ofAuth(username),
    ofAuth(secret),
    ofAuth(header),
    datasetQuestion,
    { flag: 'path', value: '<path>', ask: 'What is its path below the base URL? /v1/orders' },
    {
      flag: 'records',
      value: '<path>',
      ask: 'Where are the records in the body? $ for the body itself, $.data for a field',
      default: '$',
    },
    {
      flag: 'pagination',
      value: '<type>',
      ask: 'How does one get to the next page? auto, or none; more in docs/pipeline.md',
      default: 'auto',
      choices: ['auto', 'none'],
    },
    modeQuestion('snapshot'),
  ],
  written: (answers) => ({
    source: { type: 'rest', baseUrl: answers['base-url'], ...writtenAuth(answers) },
    dataset: {
      ...given(answers, 'path'),
      ...(answers['records'] === '$' ? {} : given(answers, 'records')),
      ...(answers['pagination'] === 'auto' ? { pagination: { type: 'auto' } } : {}),
      ...givenMode(answers),
    },
  }),
  answers: ({ baseUrl, auth = { type: 'none' } }) => {
    const there = isRecord(auth) ? auth : {}
    const types = textsOf(there['type'])
    return {
      'base-url': textsOf(baseUrl).map(withoutPassword),
      auth: types,
      ...types.map((type) => AUTH[type]?.answers(there))[0],
    }
  },
}

function writtenAuth(answers: Answers): { readonly auth?: object } {
  const { auth = 'none' } = answers
  return auth === 'none' ? {} : { auth: { type: auth, ...AUTH[auth]?.written(answers) } }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
