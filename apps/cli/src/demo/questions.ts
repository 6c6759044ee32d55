import { ConfigError } from '@cinelake/core'
import { formatProblem, parseYaml } from '@cinelake/pipeline'
import { readFile } from 'node:fs/promises'
import { z } from 'zod'

/** What a pipeline's `summary.yaml` asks the mart, for people who see it for the first time. */
const Questions = z.object({ queries: z.array(z.object({ title: z.string(), sql: z.string() })) })
export type Question = z.infer<typeof Questions>['queries'][number]

/** @throws {ConfigError} terminal: the file is not there or not of that shape */
export async function readQuestions(file: string): Promise<readonly Question[]> {
  const refused = (problems: readonly string[], cause?: unknown) =>
    new ConfigError('the summary cannot be made', problems, { cause })
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw refused([`${file}: ${String(error)}`], error)
  })
  const { value, faults } = parseYaml(text)
  if (faults.length > 0) throw refused(faults.map((fault) => formatProblem({ severity: 'error', file, ...fault })))
  const questions = Questions.safeParse(value)
  if (questions.success) return questions.data.queries
  throw refused([`${file}: ${z.prettifyError(questions.error)}`], questions.error)
}
