import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../apps/cli/src/main.ts', import.meta.url))

export type DemoOptions = {
  /** Where everything is kept; the next process goes on from there. */
  readonly state: string
  readonly scale: number
  readonly seed: number
}

/** When a process is killed: so long after it has told of so many finished tasks. */
export type KillPoint = { readonly afterTasks: number; readonly delayMs: number }

export type DemoEnd = {
  /** Null when it was killed. */
  readonly code: number | null
  /** Tasks that it told to be done. */
  readonly taskCount: number
  readonly output: string
}

/** One process of `cinelake demo`, until it ends, or until it is killed with SIGKILL. */
export async function runDemo({ state, scale, seed }: DemoOptions, kill?: KillPoint): Promise<DemoEnd> {
  const args = [
    '--conditions=@cinelake/source',
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
  const lines: string[] = []
  let taskCount = 0

  const killWhenDue = async () => {
    if (kill === undefined || taskCount < kill.afterTasks) return
    await pause(kill.delayMs)
    child.kill('SIGKILL')
  }
  const read = async (stream: NodeJS.ReadableStream) => {
    for await (const line of createInterface(stream)) {
      lines.push(line)
      if (!line.includes(' ✓ ')) continue
      taskCount += 1
      if (taskCount === kill?.afterTasks) void killWhenDue()
    }
  }
  const reading = Promise.all([read(child.stdout), read(child.stderr)])
  if (kill?.afterTasks === 0) void killWhenDue()
  const [code] = (await ended) as [number | null]
  await reading
  return { code, taskCount, output: lines.join('\n') }
}
