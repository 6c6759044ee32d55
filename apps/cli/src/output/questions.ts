import { CancelledError } from '@cinelake/core'
import { createInterface } from 'node:readline'
import type { ReadStream, WriteStream } from 'node:tty'

/**
 * Asks at the terminal, one question at a time. Undefined where it is not interactive: in scripts, and behind pipes.
 * Lines that arrive early, such as those of a pasted text, answer the next questions.
 */
export function openQuestions(
  stdin: Pick<ReadStream, 'isTTY'> & NodeJS.ReadableStream,
  stderr: Pick<WriteStream, 'isTTY'> & NodeJS.WritableStream,
): ((question: string) => Promise<string>) | undefined {
  if (!stdin.isTTY || !stderr.isTTY) return undefined
  let answers: Answers | undefined
  return async (question) => await (answers ??= answersAt(stdin, stderr))(question)
}

type Answers = (question: string) => Promise<string>

function answersAt(stdin: NodeJS.ReadableStream, stderr: NodeJS.WritableStream): Answers {
  const lines = createInterface({ input: stdin, output: stderr })
  const waiting: string[] = []
  let isLeft = false
  let asked: { readonly answer: (line: string) => void; readonly leave: () => void } | undefined
  lines.on('line', (line) => {
    if (asked === undefined) waiting.push(line)
    else asked.answer(line)
    asked = undefined
  })
  // Ctrl-D and Ctrl-C leave the question unanswered.
  lines.on('close', () => {
    isLeft = true
    asked?.leave()
  })
  return async (question) => {
    const line = waiting.shift()
    if (line !== undefined) {
      stderr.write(`${question}${line}\n`)
      return line
    }
    if (isLeft) throw new CancelledError('asking')
    lines.setPrompt(question)
    lines.prompt()
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    asked = { answer: resolve, leave: () => reject(new CancelledError('asking')) }
    const answer = await promise
    if (!isLeft) lines.pause() // so that it does not keep the process alive
    return answer
  }
}
