import { readSettings } from '@cinelake/service'
import { openTerminal } from './output/terminal.ts'
import { runCli } from './run-cli.ts'

/** Milliseconds that the process may go on for, should something still hold it. */
const LINGER_MS = 2000

// A reader that has seen enough (`| head`) closes the pipe; that is no error.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit()
  })
}

const settings = readSettings()
process.exitCode = await runCli(process.argv.slice(2), settings, openTerminal(process.stdout, process.stderr, settings))
setTimeout(() => process.exit(), LINGER_MS).unref()
