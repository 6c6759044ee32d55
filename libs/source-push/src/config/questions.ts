import {
  datasetQuestion,
  givenMode,
  modeQuestion,
  secretOf,
  secretsIn,
  sourceQuestion,
  type SourceQuestions,
} from '@cinelake/source-kind/questions'

/** The questions of `cinelake add` about a dataset that clients push to. */
export const pushQuestions: SourceQuestions = {
  type: 'push',
  about: 'a dataset that others push to',
  questions: [
    sourceQuestion,
    {
      flag: 'secret',
      value: '<name>',
      ask: 'Under which name is the key kept with the secrets, by which others may push?',
      ofSource: true,
    },
    datasetQuestion,
    modeQuestion('append'),
  ],
  written: (answers) => ({
    source: { type: 'push', auth: { keys: [secretOf(answers)] } },
    dataset: givenMode(answers),
  }),
  answers: ({ auth }) => {
    const keys: unknown = typeof auth === 'object' && auth !== null && 'keys' in auth ? auth.keys : undefined
    return { secret: secretsIn(...(Array.isArray(keys) ? (keys as unknown[]) : [])) }
  },
  needsContract: true,
}
