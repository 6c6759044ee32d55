import { ConfigError } from '@cinelake/core'
import { problemOf, type Answers, type Question } from './questions.ts'

type Ask = (question: string) => Promise<string>

/**
 * Answers to all questions: what the flags say, then what somebody at the terminal says, then what is usual.
 * @param ask undefined where nobody can be asked
 * @throws {ConfigError} terminal: answers that are missing or wrong, all of them
 */
export async function collectAnswers(
  questions: readonly Question[],
  flags: Answers,
  { ask, note }: { readonly ask: Ask | undefined; readonly note: (text: string) => void },
): Promise<Answers> {
  const answers: Record<string, string | undefined> = {}
  const problems: string[] = []
  for (const question of questions) {
    if (question.when?.(answers) === false) continue
    const { flag } = question
    const said = flags[flag]
    const problem = said === undefined ? undefined : problemOf(question, said)
    if (problem !== undefined) problems.push(`--${flag} is ${said}: ${problem}`)
    answers[flag] = said ?? (ask === undefined ? question.default : await answerOf(question, ask, note))
    if (answers[flag] === undefined && question.optional !== true) problems.push(`--${flag}: ${question.ask}`)
  }
  if (problems.length > 0) throw new ConfigError('the source cannot be added without these answers', problems)
  return answers
}

async function answerOf(question: Question, ask: Ask, note: (text: string) => void): Promise<string | undefined> {
  const usual = question.default === undefined ? '' : ` [${question.default}]`
  for (;;) {
    const answer = (await ask(`${question.ask}${usual}: `)).trim()
    if (answer === '' && (question.default !== undefined || question.optional === true)) return question.default
    const problem = answer === '' ? 'expected an answer' : problemOf(question, answer)
    if (problem === undefined) return answer
    note(`  ${problem}\n`)
  }
}
