import { InvalidArgumentError, type Command } from 'commander'
import path from 'node:path'

/** The default state directory, below the working directory. */
export const DEFAULT_STATE = '.cinelake'

/** Rows of a result that `query` shows without `--limit`. */
export const SHOWN_ROWS = 100
/** Rows of a dataset that `try` reads without `--rows`. */
export const SAMPLE_ROWS = 100

/** `--json`, the same everywhere. */
export function withJson(command: Command): Command {
  return command.option('--json', 'print the result as JSON, for machines')
}

/** `--state`, the same everywhere. Default: the usual directory, unless settings name other places. */
export function withState(command: Command): Command {
  const about = `where lake, warehouse and run history are kept (default: "${DEFAULT_STATE}")`
  return command.option('--state <dir>', about, directory)
}

/** The folder of a pipeline given as an argument; its file is accepted as well. */
export function pipelineFolder(text: string): string {
  return path.basename(text) === PIPELINE_FILE ? path.dirname(text) : text
}

const PIPELINE_FILE = 'pipeline.yaml'

/** Examples below a command's help, as they are typed. */
export function withExamples(command: Command, examples: readonly (readonly [line: string, what: string])[]): Command {
  const width = Math.max(...examples.map(([line]) => line.length))
  const lines = examples.map(([line, what]) => `  ${line.padEnd(width)}  ${what}\n`)
  return command.addHelpText('after', `\nExamples:\n${lines.join('')}`)
}

/** An empty argument would mean the working directory: usually it comes from an unset variable. */
function directory(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('expected a directory')
  return text
}

export function positiveInteger(text: string): number {
  const value = numberOf(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('expected a whole number of 1 or more')
  return value
}

export function integer(text: string): number {
  const value = numberOf(text)
  if (!Number.isSafeInteger(value)) throw new InvalidArgumentError('expected a whole number')
  return value
}

export function positiveNumber(text: string): number {
  const value = numberOf(text)
  if (!Number.isFinite(value) || value <= 0) throw new InvalidArgumentError('expected a number above 0')
  return value
}

export function port(text: string): number {
  const value = numberOf(text)
  if (!Number.isInteger(value) || value < 0 || value > 65_535)
    throw new InvalidArgumentError('expected a port, or 0 for any')
  return value
}

/** JavaScript converts an empty text to 0. */
function numberOf(text: string): number {
  return text.trim() === '' ? Number.NaN : Number(text)
}
