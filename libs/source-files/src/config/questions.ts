import {
  datasetQuestion,
  given,
  givenMode,
  modeQuestion,
  siteQuestion,
  sourceQuestion,
  textsOf,
  type SourceQuestions,
} from '@cinelake/source-kind/questions'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'

/** What `cinelake add` asks of a folder of files. */
export const filesQuestions: SourceQuestions = {
  type: 'files',
  about: 'a folder of files',
  questions: [
    sourceQuestion,
    {
      flag: 'path',
      value: '<dir>',
      ask: "In which folder of the agent's machine do the files come?",
      warn: (folder) =>
        folder.includes('${') || existsSync(folder)
          ? undefined
          : `there is no folder ${folder} here; it has to be there where the agent runs`,
      // A folder may be written in several ways.
      isSame: (one, other) => resolve(one) === resolve(other),
      ofSource: true,
    },
    siteQuestion,
    datasetQuestion,
    {
      flag: 'files',
      value: '<pattern>',
      ask: 'What are the files called? {yyyy}, {MM}, {dd} stand for the date: orders_{yyyy}-{MM}-{dd}.csv',
    },
    modeQuestion('snapshot'),
  ],
  written: (answers) => ({
    source: { type: 'files', ...given(answers, 'path', 'site') },
    dataset: { ...given(answers, 'files'), ...givenMode(answers) },
  }),
  answers: ({ path, site }) => ({ path: textsOf(path), site: textsOf(site) }),
}
