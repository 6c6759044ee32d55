import { ConfigError } from '@cinelake/core'
import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'
import { z } from 'zod'

/** What a pipeline's `summary.yaml` asks the mart, for people who see it for the first time. */
const Questions = z.object({ queries: z.array(z.object({ title: z.string(), sql: z.string() })) })
export type Question = z.infer<typeof Questions>['queries'][number]

/** @throws {ConfigError} terminal: the file is not there or not of that shape */
export async function readQuestions(file: string): Promise<readonly Question[]> {
  try {
    return Questions.parse(parse(await readFile(file, 'utf8'))).queries
  } catch (error) {
    const problem = error instanceof z.ZodError ? z.prettifyError(error) : String(error)
    throw new ConfigError('the summary cannot be made', [`${file}: ${problem}`], { cause: error })
  }
}
