import {
  datasetQuestion,
  given,
  givenMode,
  modeQuestion,
  sourceQuestion,
  textsOf,
  withoutPassword,
  type Question,
  type SourceConfig,
} from '@cinelake/source-kind'
import { answersOfAuth, authQuestions, writtenAuth } from './auth/kinds.ts'
import type { RestDataset } from './dataset.ts'
import { readRestSource, RestSource, RestSourceText } from './source.ts'

const questions: readonly Question[] = [
  sourceQuestion,
  { flag: 'base-url', value: '<url>', ask: 'What is the base URL of the API? https://…', ofSource: true },
  ...authQuestions(),
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
]

/** REST APIs. */
export const restConfig = {
  type: 'rest',
  about: 'a REST API',
  text: RestSourceText,
  checked: RestSource,
  read: readRestSource,
  plan: ({ datasets }) => ({
    queue: 'ingest-api',
    ingests: parentsFirst(datasets).map((dataset) => ({
      dataset: dataset.name,
      after: parentsOf(dataset),
      incremental: dataset.incremental !== undefined,
    })),
  }),
  questions,
  written: (answers) => ({
    source: { baseUrl: answers['base-url'], ...writtenAuth(answers) },
    dataset: {
      ...given(answers, 'path'),
      ...(answers['records'] === '$' ? {} : given(answers, 'records')),
      ...(answers['pagination'] === 'auto' ? { pagination: { type: 'auto' } } : {}),
      ...givenMode(answers),
    },
  }),
  answers: ({ baseUrl, auth }) => ({
    'base-url': textsOf(baseUrl).map(withoutPassword),
    ...answersOfAuth(auth),
  }),
} as const satisfies SourceConfig<RestSourceText, RestSource>

/** The datasets of the same source whose rows an ingest starts from. */
function parentsOf({ parent, explodedFrom }: RestDataset): string[] {
  return [parent, explodedFrom].flatMap((from) => (from === undefined ? [] : [from.dataset]))
}

/** In the order of the text, but each after those that it starts from. */
function parentsFirst(datasets: readonly RestDataset[]): RestDataset[] {
  const ordered = new Set<RestDataset>()
  const add = (dataset: RestDataset, above: readonly string[]) => {
    for (const parent of datasets) {
      const isParent = parentsOf(dataset).includes(parent.name) && !above.includes(parent.name)
      if (isParent && !ordered.has(parent)) add(parent, [...above, dataset.name])
    }
    ordered.add(dataset)
  }
  for (const dataset of datasets) add(dataset, [])
  return [...ordered]
}
