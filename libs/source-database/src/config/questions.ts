import {
  datasetQuestion,
  given,
  givenMode,
  modeQuestion,
  secretOf,
  secretsIn,
  siteQuestion,
  sourceQuestion,
  textsOf,
  withoutPassword,
  type Answers,
  type SourceQuestions,
} from '@cinelake/source-kind/questions'
import type { SubMicroseconds } from './database-source.ts'

export const databaseQuestions: SourceQuestions = {
  type: 'database',
  about: 'a table of a database',
  questions: [
    sourceQuestion,
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
    siteQuestion,
    datasetQuestion,
    { flag: 'table', value: '<schema.table>', ask: 'Which table is it? schema.table' },
    {
      flag: 'incremental',
      value: '<column>',
      ask: 'Which column says when a row was written? Nothing to copy the whole table',
      optional: true,
    },
    modeQuestion(({ incremental }) => (incremental === undefined ? 'snapshot' : 'merge')),
  ],
  written: (answers) => ({
    source: { type: 'database', url: urlOf(answers), ...given(answers, 'site'), ...timesOf(answers) },
    dataset: { ...given(answers, 'table', 'incremental'), ...givenMode(answers) },
  }),
  answers: ({ url, site }) => ({
    url: textsOf(url).map(withoutPassword),
    secret: secretsIn(url),
    site: textsOf(site),
  }),
}

/** SQL Server's clock has seven digits, of which a time in the lake holds six: the draft says what becomes of the last one. */
function timesOf({ url = '' }: Answers): { readonly subMicroseconds?: SubMicroseconds } {
  return url.startsWith('mssql') ? { subMicroseconds: 'cut' } : {}
}

/** `postgres://user@host/db` with the password's placeholder in it. */
function urlOf(answers: Answers): string {
  const { url = '', secret } = answers
  if (secret === undefined) return url
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/[^/@:]+)@/i, (_, user: string) => `${user}:${secretOf(answers)}@`)
}
