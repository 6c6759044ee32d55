import { temporaryDirectory } from '@cinelake/testkit'
import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { plainPaint, type Terminal } from './output/terminal.ts'
import { runCli } from './run-cli.ts'

const STARTER = fileURLToPath(new URL('../starter', import.meta.url))

export type Result = {
  readonly exitCode: number
  readonly out: string
  readonly notes: string
  /** Both streams in the order of printing, as a user sees them. */
  readonly screen: string
}

/** The command line in this process, with its output captured. */
export async function cinelake(
  args: readonly string[],
  settings: Record<string, string> = {},
  ask?: (question: string) => Promise<string>,
): Promise<Result> {
  const printed = { out: '', notes: '', screen: '' }
  const to = (stream: 'out' | 'notes') => (text: string) => {
    printed[stream] += text
    printed.screen += text
  }
  const terminal: Terminal = {
    print: to('out'),
    note: to('notes'),
    isInteractive: false,
    columns: () => 100,
    paint: plainPaint,
    ask,
  }
  const exitCode = await runCli(args, settings, terminal)
  return { exitCode, ...printed }
}

/** A copy of the starter pipeline with a state directory beside it. */
export async function aStarter(): Promise<AsyncDisposable & { readonly folder: string; readonly state: string }> {
  const directory = await temporaryDirectory()
  const folder = join(directory.path, 'starter')
  await cp(STARTER, folder, { recursive: true })
  const file = join(folder, 'pipeline.yaml')
  await writeFile(file, (await readFile(file, 'utf8')).replace('FOLDER', folder))
  return { folder, state: join(directory.path, 'state'), [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() }
}
