import {
  datasetQuestion,
  given,
  givenMode,
  modeQuestion,
  sourceQuestion,
  textsOf,
  withoutPassword,
  type SourceQuestions,
} from '@cinelake/source-kind/questions'
import { answersOfAuth, AUTH_TYPES, authQuestions, writtenAuth } from '../auth/questions.ts'

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
      ask: 'How does it know who asks? More in docs/pipeline.md',
      default: 'none',
      choices: AUTH_TYPES,
      ofSource: true,
    },
    ...authQuestions,
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
  answers: ({ baseUrl, auth }) => ({
    'base-url': textsOf(baseUrl).map(withoutPassword),
    ...answersOfAuth(isRecord(auth) ? auth : {}),
  }),
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
