import { CancelledError } from '@cinelake/core'
import { PassThrough, type Writable } from 'node:stream'
import type { ReadStream, WriteStream } from 'node:tty'
import type { Ask } from './terminal.ts'

type Input = NodeJS.ReadableStream & { readonly isTTY?: boolean; setRawMode?: ReadStream['setRawMode'] }
type Output = Pick<WriteStream, 'isTTY'> & Writable

/** Ctrl-C, and Ctrl-D, which a terminal in raw mode does not turn into the end of the input. */
const CTRL_C = '\u0003'
const CTRL_D = '\u0004'

/**
 * Asks at the terminal, one question at a time. Undefined where it is not interactive: in scripts, and behind pipes.
 * Lines that arrive early, such as those of a pasted text, answer the next questions. Ctrl-C, Ctrl-D, Escape and the end of
 * the input cancel: this and every later question rejects with a CancelledError.
 */
export function openQuestions(stdin: Input, stderr: Output): Ask | undefined {
  if (stdin.isTTY !== true || !stderr.isTTY) return undefined
  let early = ''
  let isCancelled = false
  return async (question, { choices, initial } = {}) => {
    // Only `add` asks.
    const { autocomplete, isCancel, text } = await import('@clack/prompts')
    if (isCancelled) throw new CancelledError('asking')
    const keys = Object.assign(new PassThrough(), {
      isTTY: true,
      setRawMode: (isRaw: boolean) => void stdin.setRawMode?.(isRaw),
    })
    // A prompt discards what follows the line that answers it, so that it receives one line only.
    const take = (chunk: string | Uint8Array) => {
      early += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString()
      const [line = ''] = /^[^\r\n]*(?:\r\n|[\r\n])?/.exec(early) ?? []
      early = early.slice(line.length)
      if (line !== '') keys.write(line.replaceAll(CTRL_D, CTRL_C).replace(/\r?\n$/, '\r'))
    }
    const leave = () => keys.write(CTRL_C)
    // Some pseudo-terminals report 0; prompts wrap their lines at it.
    if (process.stdout.columns === 0) process.stdout.columns = 80
    const common = { input: keys, output: stderr, withGuide: false }
    const usual = initial === undefined ? {} : { placeholder: initial, defaultValue: initial }
    const asked =
      choices === undefined
        ? text({ ...common, ...usual, message: question })
        : autocomplete({
            ...common,
            message: question,
            options: choices.map((value) => ({ value })),
            ...(initial === undefined ? {} : { initialValue: initial }),
            // A whole name is that choice, also where others contain it.
            filter: (typed, { value }) => (choices.includes(typed) ? value === typed : value.includes(typed)),
          })
    stdin.on('data', take).on('end', leave)
    take('')
    stdin.resume()
    const answer = await asked.finally(() => {
      stdin.off('data', take).off('end', leave)
      stdin.pause() // so that it does not keep the process alive
    })
    isCancelled = isCancel(answer)
    if (typeof answer === 'symbol') throw new CancelledError('asking')
    return answer ?? ''
  }
}
