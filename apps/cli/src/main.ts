import { silentLog } from '@cinelake/core'
import { createRedaction, endProcess, isTelemetrySent, readSettings } from '@cinelake/service'
import { openOutput } from './output/output-stream.ts'
import { openQuestions } from './output/questions.ts'
import { openTerminal } from './output/terminal.ts'
import { runCli } from './run-cli.ts'

/** Milliseconds that the process may continue after the command, in case an open handle keeps it alive. */
const LINGER_MS = 2000

let isUnwritten = false
const notes = openOutput(process.stderr, () => {})
const results = openOutput(process.stdout, ({ message }) => {
  isUnwritten = true
  process.exitCode = 1
  notes.write(`cinelake: the result could not be written: ${message}\n`)
})

const settings = readSettings()
const { redact } = createRedaction(settings)
const log = {
  ...silentLog,
  warn: ({ reason }: Readonly<Record<string, unknown>>, message: string) =>
    notes.write(`cinelake: ${message}${typeof reason === 'string' ? `: ${redact(reason)}` : ''}\n`),
}
// Most commands send nothing, and have no use for what sends it.
const isSent = isTelemetrySent('TRACES', settings) || isTelemetrySent('METRICS', settings)
const telemetry = isSent
  ? await (await import('@cinelake/service/telemetry')).openTelemetry({ service: 'cinelake', settings, log })
  : undefined
const exitCode = await runCli(process.argv.slice(2), settings, {
  ...openTerminal(results, notes, settings),
  ask: openQuestions(process.stdin, process.stderr),
})
await telemetry?.[Symbol.asyncDispose]()
process.exitCode = isUnwritten ? Math.max(1, exitCode) : exitCode
setTimeout(() => endProcess(), LINGER_MS).unref()
