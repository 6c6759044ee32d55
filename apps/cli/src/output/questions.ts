import { createInterface } from 'node:readline/promises'
import { CancelledError } from '@cinelake/core'
import type { ReadStream, WriteStream } from 'node:tty'

/** Asks at the terminal, one question at a time. Undefined where nobody sits there: in scripts, and behind pipes. */
export function openQuestions(
  stdin: Pick<ReadStream, 'isTTY'> & NodeJS.ReadableStream,
  stderr: Pick<WriteStream, 'isTTY'> & NodeJS.WritableStream,
): ((question: string) => Promise<string>) | undefined {
  if (!stdin.isTTY || !stderr.isTTY) return undefined
  return async (question) => {
    const lines = createInterface({ input: stdin, output: stderr })
    const { promise: left, reject } = Promise.withResolvers<never>()
    // Ctrl-D and Ctrl-C answer nothing.
    lines.once('close', () => reject(new CancelledError('asking')))
    try {
      return await Promise.race([lines.question(question), left])
    } finally {
      lines.close()
    }
  }
}
