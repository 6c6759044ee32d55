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

/** The questions of `cinelake add` about a folder of files. */
export const filesQuestions: SourceQuestions = {
  type: 'files',
  about: 'a folder of files',
  questions: [
    sourceQuestion,
    {
      flag: 'path',
      value: '<dir>',
      ask: "In which folder do the files come? One of the agent's machine, or an address (abfss://, https://ACCOUNT.blob.…, sftp://)",
      warn: (folder) =>
        folder.includes('${') || folder.includes('://') || existsSync(folder)
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
  /** The day of the oldest matching file, if the folder is on this machine. */
  async firstDay({ source = '', path = '', files = '' }, { signal }) {
    if (path.includes('${') || !existsSync(path)) return undefined
    // Imported here, since the questions are loaded for every command's help.
    const [{ oldestFile }, { PipelineError }] = await Promise.all([
      import('../places/find-files.ts'),
      import('@cinelake/core'),
    ])
    try {
      const oldest = await oldestFile(path, files, { source, timeZone: 'UTC', signal })
      return oldest?.toISOString().slice(0, 10)
    } catch (error) {
      // The pipeline's checks report a wrong pattern; a folder that cannot be read here may be on another machine.
      if (error instanceof PipelineError && !signal.aborted) return undefined
      throw error
    }
  },
  written: (answers) => ({
    source: { type: 'files', ...given(answers, 'path', 'site') },
    dataset: { ...given(answers, 'files'), ...givenMode(answers) },
  }),
  answers: ({ path, site }) => ({ path: textsOf(path), site: textsOf(site) }),
}
