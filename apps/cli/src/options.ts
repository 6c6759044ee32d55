import { InvalidArgumentError, type Command } from 'commander'
import { DEFAULT_STATE } from './settings.ts'

/** `--json`, the same everywhere. */
export function withJson(command: Command): Command {
  return command.option('--json', 'print the result as JSON, for machines')
}

/** `--state`, the same everywhere. */
export function withState(command: Command): Command {
  return command.option('--state <dir>', 'where lake, warehouse and run history are kept', DEFAULT_STATE)
}

/** Examples below a command's help; each is typed as it stands. */
export function withExamples(command: Command, examples: readonly (readonly [line: string, what: string])[]): Command {
  const width = Math.max(...examples.map(([line]) => line.length))
  const lines = examples.map(([line, what]) => `  ${line.padEnd(width)}  ${what}\n`)
  return command.addHelpText('after', `\nExamples:\n${lines.join('')}`)
}

export function positiveInteger(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('expected a whole number of 1 or more')
  return value
}

export function integer(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new InvalidArgumentError('expected a whole number')
  return value
}

export function positiveNumber(text: string): number {
  const value = Number(text)
  if (!Number.isFinite(value) || value <= 0) throw new InvalidArgumentError('expected a number above 0')
  return value
}
