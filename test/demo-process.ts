import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { signalAt } from '../libs/testkit/src/signal-at.ts'

const MAIN = fileURLToPath(new URL('../apps/cli/src/main.ts', import.meta.url))

/** The mark of a finished task in its progress. */
const DONE = ' ✓ '

export type DemoOptions = {
  /** Where everything is kept; the next process goes on from there. */
  readonly state: string
  readonly scale: number
  readonly seed: number
}

/** When a process is killed: so many changes of files after it has told of so many finished tasks. */
export type KillPoint = { readonly afterTasks: number; readonly fileChanges: number }

export type DemoEnd = {
  /** Null when it was killed. */
  readonly code: number | null
  /** Tasks that it told to be done. */
  readonly taskCount: number
  readonly output: string
}

/** One process of `cinelake demo`, until it ends, or until it is killed with SIGKILL. */
export async function runDemo({ state, scale, seed }: DemoOptions, kill?: KillPoint): Promise<DemoEnd> {
  const { afterTasks: lines, fileChanges } = kill ?? { afterTasks: 0, fileChanges: 0 }
  const preload = signalAt(['SIGKILL'], { lines, lineWith: DONE, fileChanges })
  const args = [
    '--conditions=@cinelake/source',
    ...(kill === undefined ? [] : ['--import', preload]),
    MAIN,
    'demo',
    '--state',
    state,
    '--scale',
    `${scale}`,
    '--seed',
    `${seed}`,
  ]
  // Compiled code is kept between the processes, of which there are many.
  // oxlint-disable-next-line node/no-process-env -- handed on as it is
  const env = { ...process.env, NODE_COMPILE_CACHE: `${state}.compiled` }
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = once(child, 'exit')
  const output: string[] = []
  const read = async (stream: NodeJS.ReadableStream) => {
    for await (const line of createInterface(stream)) output.push(line)
  }
  const reading = Promise.all([read(child.stdout), read(child.stderr)])
  const [code] = (await ended) as [number | null]
  await reading
  return { code, taskCount: output.filter((line) => line.includes(DONE)).length, output: output.join('\n') }
}
