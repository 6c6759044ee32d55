import path from 'node:path'
import type { CommandContext } from './command.ts'
import { ConfigError } from '@cinelake/core'
import type { RedoAsked } from '@cinelake/scheduler'
import { type Command, InvalidArgumentError } from 'commander'

/** The default state directory, below the working directory. */
export const DEFAULT_STATE = '.cinelake'

/** Rows of a result that `query` shows without `--limit`. */
export const SHOWN_ROWS = 100
/** Rows of a dataset that `try` reads without `--rows`. */
export const SAMPLE_ROWS = 100

/** The same for files: many rows cost little, and say more. */
export const FILE_ROWS = 10_000

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

/**
 * The action of a command: its implementation is loaded when it is called, and receives arguments, options and context.
 * @param load of a function of the arguments and options as they are declared
 */
export function lazily(context: CommandContext, load: () => Promise<(...given: never[]) => unknown>) {
  return async (...given: unknown[]): Promise<void> => {
    const run = (await load()) as (...all: unknown[]) => unknown
    // Commander appends the command itself.
    await run(...given.slice(0, -1), context)
  }
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

/** Options that select tasks of windows that have run for a re-run; the same for `run` and `plan`. */
export type RedoOptions = {
  readonly again?: true
  readonly changed?: true
  readonly select?: readonly string[]
  readonly fromRaw?: true
}

export const SELECTORS =
  'a dataset, a model, a table of the mart or SOURCE/DATASET; NAME+ with all that depends on it, +NAME with what it needs; several with commas'

/** For an option that may be repeated, or have a list with commas. */
export function listed(text: string, before: readonly string[] = []): string[] {
  return [...before, ...text.split(',').map((name) => name.trim())].filter((name) => name !== '')
}

/**
 * The re-run that the options request; undefined where they request windows as they are.
 * @throws {ConfigError} terminal: more than one of them was given
 */
export function redoAsked({ again, changed, select, fromRaw }: RedoOptions): RedoAsked | undefined {
  const given = [
    ...(again === true ? ['--again'] : []),
    ...(changed === true ? ['--changed'] : []),
    ...(select === undefined ? [] : ['--select']),
    ...(fromRaw === true ? ['--from-raw'] : []),
  ]
  if (given.length > 1) {
    throw new ConfigError('the options cannot be used', [`${given.join(' and ')}: expected one of them`])
  }
  if (changed === true) return { kind: 'changed' }
  if (fromRaw === true) return { kind: 'from-raw' }
  return select === undefined ? undefined : { kind: 'select', names: select }
}
