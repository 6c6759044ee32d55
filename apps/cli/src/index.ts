export { runCli } from './run-cli.ts'
export { openTerminal, type Terminal } from './output/terminal.ts'
