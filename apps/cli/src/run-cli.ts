import { CancelledError, ConfigError, PipelineError, reportError } from '@cinelake/core'
import { listenForStop, type Settings } from '@cinelake/service'
import { CommanderError } from 'commander'
import type { ExitCode } from './command.ts'
import type { Terminal } from './output/terminal.ts'
import { toJson } from './output/format-value.ts'
import { createProgram, isHelp } from './program.ts'

/**
 * Runs one command line to its end.
 * @param args what stands behind the program's name
 */
export async function runCli(args: readonly string[], settings: Settings, terminal: Terminal): Promise<ExitCode> {
  using stop = listenForStop()
  let exitCode: ExitCode = 0
  const program = createProgram({
    terminal,
    settings,
    signal: stop.signal,
    clock: () => new Date(),
    exitWith: (code) => {
      exitCode = code
    },
  })
  try {
    await program.parseAsync([...args], { from: 'user' })
  } catch (error) {
    if (isHelp(error)) return 0
    if (stop.signal.aborted) {
      terminal.note('Stopped. The next start goes on from here.\n')
      return 130
    }
    report(error, args.includes('--json'), terminal)
    return exitCodeOf(error)
  }
  return exitCode
}

/** Commander has told of its own errors by now. */
function report(error: unknown, asJson: boolean, { print, note, paint }: Terminal): void {
  if (error instanceof CommanderError) return
  const { code, message, context } = reportError(error)
  if (asJson) print(`${toJson({ error: { code, message, context } })}\n`)
  note(`${paint('red', 'cinelake:')} ${message}\n`)
  if (!(error instanceof PipelineError) && error instanceof Error) note(`${error.stack}\n`)
}

function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommanderError || error instanceof ConfigError) return 2
  if (error instanceof CancelledError) return 130
  return error instanceof PipelineError && !error.retryable ? 2 : 1
}
