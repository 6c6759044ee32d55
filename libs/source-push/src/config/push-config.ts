import {
  datasetQuestion,
  givenMode,
  modeQuestion,
  secretOf,
  secretsIn,
  sourceQuestion,
  type Question,
  type SourceConfig,
} from '@cinelake/source-kind'
import { PushSource, PushSourceText, readPushSource } from './push-source.ts'

const questions: readonly Question[] = [
  sourceQuestion,
  {
    flag: 'secret',
    value: '<name>',
    ask: 'Under which name is the key kept with the secrets, by which others may push?',
    ofSource: true,
  },
  datasetQuestion,
  modeQuestion('append'),
]

/** What others send. */
export const pushConfig = {
  type: 'push',
  about: 'a dataset that others push to',
  text: PushSourceText,
  checked: PushSource,
  read: readPushSource,
  plan: ({ datasets }) => ({
    queue: 'ingest-api',
    ingests: datasets.map(({ name }) => ({ dataset: name, after: [], incremental: false })),
  }),
  // Only those who take pushes need what says who may push.
  keysForServing: ['auth'],
  needsContract: true,
  questions,
  written: (answers) => ({ source: { auth: { keys: [secretOf(answers)] } }, dataset: givenMode(answers) }),
  answers: ({ auth }) => {
    const keys: unknown = typeof auth === 'object' && auth !== null && 'keys' in auth ? auth.keys : undefined
    return { secret: secretsIn(...(Array.isArray(keys) ? (keys as unknown[]) : [])) }
  },
} as const satisfies SourceConfig<PushSourceText, PushSource>
