import { ConfigError } from '@cinelake/core'
import type { Answers, Question } from '@cinelake/source-kind/questions'
import type { Ask } from '../output/terminal.ts'

/**
 * Answers to all questions: from the flags, then from the user at the terminal, then the defaults.
 * @param ask undefined without an interactive terminal
 * @throws {ConfigError} terminal: missing or invalid answers, all of them
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
    const usual = usualOf(question, answers)
    answers[flag] = said ?? (ask === undefined ? usual : await answerOf(question, usual, { ask, note }))
    const warning = answers[flag] === undefined ? undefined : question.warn?.(answers[flag])
    if (warning !== undefined) note(`  ${warning}\n`)
    if (answers[flag] === undefined && question.optional !== true) problems.push(`--${flag}: ${question.ask}`)
  }
  if (problems.length > 0) throw new ConfigError('the source cannot be added without these answers', problems)
  return answers
}

async function answerOf(
  question: Question,
  usual: string | undefined,
  { ask, note }: { readonly ask: Ask; readonly note: (text: string) => void },
): Promise<string | undefined> {
  for (;;) {
    const answer = (await ask(question.ask, { choices: question.choices, initial: usual })).trim()
    if (answer === '' && (usual !== undefined || question.optional === true)) return usual
    const problem = answer === '' ? 'expected an answer' : problemOf(question, answer)
    if (problem === undefined) return answer
    note(`  ${problem}\n`)
  }
}

/** The default of an unanswered question. */
function usualOf({ default: usual }: Question, answers: Answers): string | undefined {
  return typeof usual === 'function' ? usual(answers) : usual
}

/** The problem with an answer; undefined for a valid one. */
function problemOf({ choices, form }: Question, answer: string): string | undefined {
  if (choices !== undefined && !choices.includes(answer)) return `expected one of ${choices.join(', ')}`
  return form === undefined || form[0].test(answer) ? undefined : `expected ${form[1]}`
}
