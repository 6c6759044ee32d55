import { CancelledError, ConfigError, PipelineError, reportError, type ErrorReport } from '@cinelake/core'
import { createRedaction, listenForStop, type Settings } from '@cinelake/service'
import { CommanderError } from 'commander'
import type { CommandContext, ExitCode } from './command.ts'
import type { Terminal } from './output/terminal.ts'
import { toJson } from './output/format-value.ts'
import { createProgram, isHelp } from './program.ts'
import { WaitingStoppedError } from './waiting-stopped.ts'

/** Commands whose work is kept as far as it got. */
const RESUMABLE = new Set(['run', 'rebuild', 'demo'])

/** Error code in JSON of an invalid command line. */
const USAGE_INVALID = 'USAGE_INVALID'

/**
 * Runs one command line to its end.
 * @param args the arguments after the program's name
 */
export async function runCli(args: readonly string[], settings: Settings, terminal: Terminal): Promise<ExitCode> {
  using stop = listenForStop()
  let exitCode: ExitCode = 0
  const context: CommandContext = {
    terminal,
    settings,
    signal: stop.signal,
    clock: () => new Date(),
    exitWith: (code) => {
      exitCode = code
    },
  }
  try {
    await createProgram(context).parseAsync([...args], { from: 'user' })
  } catch (error) {
    if (isHelp(error)) return 0
    if (error instanceof WaitingStoppedError) {
      terminal.note(`${error.message}\n`)
      return 130
    }
    if (stop.signal.aborted || error instanceof CancelledError) {
      terminal.note(RESUMABLE.has(args[0] ?? '') ? 'Stopped. The next start resumes from here.\n' : 'Stopped.\n')
      return 130
    }
    report(error, { asJson: args.includes('--json'), terminal, redact: createRedaction(settings).redact })
    return exitCodeOf(error)
  }
  return exitCode
}

type ReportOptions = {
  readonly asJson: boolean
  readonly terminal: Terminal
  readonly redact: (text: string) => string
}

function report(error: unknown, { asJson, terminal: { print, note, paint }, redact }: ReportOptions): void {
  const { code, message, context } = describe(error, redact)
  if (asJson) print(`${toJson({ error: { code, message, context } })}\n`)
  // Commander has already reported its own errors.
  if (error instanceof CommanderError) return
  note(`${paint('red', 'cinelake:')} ${message}\n`)
  if (!(error instanceof PipelineError) && error instanceof Error) note(`${redact(error.stack ?? '')}\n`)
}

function describe(error: unknown, redact: (text: string) => string): Omit<ErrorReport, 'retryable'> {
  if (!(error instanceof CommanderError)) return reportError(error, redact)
  return { code: USAGE_INVALID, message: error.message.replace(/^error: /, ''), context: {} }
}

/** Codes of lost data in the lake, which are not usage errors. */
const LOSSES = /^(?:TABLES?|DELTA)_/

function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommanderError || error instanceof ConfigError) return 2
  return error instanceof PipelineError && !error.retryable && !LOSSES.test(error.code) ? 2 : 1
}
