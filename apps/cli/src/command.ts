import { CancelledError } from '@cinelake/core'
import type { Settings } from '@cinelake/service'
import type { Command } from 'commander'
import type { Terminal } from './output/terminal.ts'

/** Arguments of every command. */
export type CommandContext = {
  readonly terminal: Terminal
  readonly settings: Settings
  /** Aborted by Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal
  readonly clock: () => Date
  /** Sets the exit code, where it is not 0. */
  readonly exitWith: (code: ExitCode) => void
}

/** 0: done. 1: a run failed, or something could not be done now. 2: bad usage or configuration. 130: cancelled. */
export type ExitCode = 0 | 1 | 2 | 130

/** Adds one command to the program. */
export type AddCommand = (program: Command, context: CommandContext) => void

/** The command line of the program in an installed clone. */
export const CALL = 'npx cinelake'

/** Quotes a text as one argument of a shell's command line. */
export function shellArgument(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

/** The command was cancelled while the scheduler works: its runs continue. */
export class WaitingStoppedError extends CancelledError {
  constructor(url: string, runs: readonly string[]) {
    super('waiting for the scheduler')
    const example = runs[0] === undefined ? 'cinelake status' : `cinelake status ${runs[0]}`
    this.message =
      runs.length === 0
        ? `Stopped. Whether the scheduler at ${url} took the request is not known; \`${example}\` shows it.`
        : `Stopped waiting. The runs continue at ${url}; \`${example}\` shows them.`
  }
}
