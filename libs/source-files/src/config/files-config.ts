import {
  agentQueue,
  datasetQuestion,
  given,
  givenMode,
  modeQuestion,
  siteQuestion,
  sourceQuestion,
  textsOf,
  type Question,
  type SourceConfig,
} from '@cinelake/source-kind'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { FilesSource, FilesSourceText, readFilesSource } from './files-source.ts'

const questions: readonly Question[] = [
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
]

/** Files that come into a folder. */
export const filesConfig = {
  type: 'files',
  about: 'a folder of files',
  text: FilesSourceText,
  checked: FilesSource,
  read: readFilesSource,
  plan: ({ site, datasets }) => ({
    queue: agentQueue(site),
    // A dataset that takes each file once goes on from its ledger, which the window before knew.
    ingests: datasets.map(({ name, once = false }) => ({ dataset: name, after: [], incremental: once })),
  }),
  questions,
  written: (answers) => ({
    source: given(answers, 'path', 'site'),
    dataset: { ...given(answers, 'files'), ...givenMode(answers) },
  }),
  answers: ({ path, site }) => ({ path: textsOf(path), site: textsOf(site) }),
} as const satisfies SourceConfig<FilesSourceText, FilesSource>
