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
