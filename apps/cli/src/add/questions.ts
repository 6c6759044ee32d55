import { existsSync } from 'node:fs'

/** One thing that has to be known of a source. */
export type Question = {
  /** The flag that answers it: `base-url`. */
  readonly flag: string
  readonly value: string
  readonly ask: string
  /** Taken where nothing is answered. Without one it has to be. */
  readonly default?: string | ((answers: Answers) => string)
  /** May stay without an answer. */
  readonly optional?: true
  readonly choices?: readonly string[]
  /** What to mind about an answer that may be right all the same; undefined for nothing. */
  readonly warn?: (answer: string) => string | undefined
  /** Of the source; not asked when a dataset is added to one that is there. */
  readonly ofSource?: true
  /** Whether it is asked at all, given the answers so far. */
  readonly when?: (answers: Answers) => boolean
}

export type Answers = Readonly<Record<string, string | undefined>>
export const KINDS = ['rest', 'files', 'database', 'push'] as const
export type Kind = (typeof KINDS)[number]

/** What is taken where a question is not answered. */
export function usualOf({ default: usual }: Question, answers: Answers): string | undefined {
  return typeof usual === 'function' ? usual(answers) : usual
}

/** As pipelines may have them. */
const NAMES: Readonly<Record<string, readonly [form: RegExp, expected: string]>> = {
  source: [/^[A-Za-z][A-Za-z0-9_-]*$/, 'letters, digits, `_` and `-`, beginning with a letter'],
  dataset: [/^[A-Za-z][A-Za-z0-9_]*$/, 'letters, digits and `_`, beginning with a letter'],
}

/** What is wrong with an answer; undefined for nothing. */
export function problemOf({ flag, choices }: Question, answer: string): string | undefined {
  if (choices !== undefined && !choices.includes(answer)) return `expected one of ${choices.join(', ')}`
  const [form, expected] = NAMES[flag] ?? []
  return form === undefined || form.test(answer) ? undefined : `expected ${expected}`
}

const source: Question = { flag: 'source', value: '<name>', ask: 'What is the source called?' }
const dataset: Question = {
  flag: 'dataset',
  value: '<name>',
  ask: 'What is the dataset called? It is the name of the table',
}
const mode = (usual: string | ((answers: Answers) => string)): Question => ({
  flag: 'mode',
  value: '<mode>',
  ask: "What are a window's rows? snapshot: the whole table; merge: new and changed rows; append: new rows",
  default: usual,
  choices: ['snapshot', 'merge', 'append'],
})
const site: Question = {
  flag: 'site',
  value: '<name>',
  ask: 'At which site does it stand? Nothing for the agent without a site',
  optional: true,
  ofSource: true,
}

const isAuth =
  (...types: readonly string[]) =>
  ({ auth = 'none' }: Answers) =>
    types.includes(auth)

export const QUESTIONS: Readonly<Record<Kind, readonly Question[]>> = {
  files: [
    source,
    {
      flag: 'path',
      value: '<dir>',
      ask: "In which folder of the agent's machine do the files come?",
      warn: (folder) =>
        folder.includes('${') || existsSync(folder)
          ? undefined
          : `there is no folder ${folder} here; it has to be there where the agent runs`,
      ofSource: true,
    },
    site,
    dataset,
    {
      flag: 'files',
      value: '<pattern>',
      ask: 'What are the files called? {yyyy}, {MM}, {dd} stand for the date: orders_{yyyy}-{MM}-{dd}.csv',
    },
    mode('snapshot'),
  ],
  rest: [
    source,
    { flag: 'base-url', value: '<url>', ask: 'What is the base URL of the API? https://…', ofSource: true },
    {
      flag: 'auth',
      value: '<type>',
      ask: 'How does it know who asks? none, bearer, basic, apiKey; more in docs/pipeline.md',
      default: 'none',
      choices: ['none', 'bearer', 'basic', 'apiKey'],
      ofSource: true,
    },
    { flag: 'username', value: '<name>', ask: 'With which user name?', ofSource: true, when: isAuth('basic') },
    {
      flag: 'secret',
      value: '<name>',
      ask: 'Under which name is the token, password or key kept with the secrets?',
      ofSource: true,
      when: isAuth('bearer', 'basic', 'apiKey'),
    },
    {
      flag: 'header',
      value: '<name>',
      ask: 'In which header goes the key?',
      default: 'X-API-Key',
      ofSource: true,
      when: isAuth('apiKey'),
    },
    dataset,
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
    mode('snapshot'),
  ],
  database: [
    source,
    {
      flag: 'url',
      value: '<url>',
      ask: 'What is its address? postgres://user@host:5432/database or mssql://…, without the password',
      ofSource: true,
    },
    {
      flag: 'secret',
      value: '<name>',
      ask: 'Under which name is the password kept with the secrets? Nothing for none',
      optional: true,
      ofSource: true,
    },
    site,
    dataset,
    { flag: 'table', value: '<schema.table>', ask: 'Which table is it? schema.table' },
    {
      flag: 'incremental',
      value: '<column>',
      ask: 'Which column says when a row was written? Nothing to copy the whole table',
      optional: true,
    },
    mode(({ incremental }) => (incremental === undefined ? 'snapshot' : 'merge')),
  ],
  push: [
    source,
    {
      flag: 'secret',
      value: '<name>',
      ask: 'Under which name is the key kept with the secrets, by which others may push?',
      ofSource: true,
    },
    dataset,
    mode('append'),
  ],
}
