import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const SERVICES = ['ingest-api', 'ingest-files', 'transformer', 'loader', 'scheduler'] as const
export type ServiceName = (typeof SERVICES)[number]

/** A service as its container would run it: a process of its own, with nothing but its environment. */
export type ServiceProcess = AsyncDisposable & {
  readonly name: ServiceName
  /** What it has said so far, a line of JSON each. */
  readonly lines: readonly string[]
  /** Resolves when it says that it is ready. @throws {Error} it ended before, with what it said */
  readonly ready: Promise<void>
  /** SIGKILL: what a machine that is gone, or too little memory, does. */
  kill(): Promise<void>
  /** SIGTERM, as a redeploy does. @returns the exit code */
  stop(): Promise<number | null>
}

export function startService(name: ServiceName, environment: Readonly<Record<string, string>>): ServiceProcess {
  const main = fileURLToPath(new URL(`../apps/${name}/src/main.ts`, import.meta.url))
  // oxlint-disable-next-line node/no-process-env -- where programs and temporary files are
  const { PATH = '', HOME = '', TMPDIR } = process.env
  const env = { PATH, HOME, ...(TMPDIR !== undefined && { TMPDIR }), ...environment }
  const child = spawn(process.execPath, ['--conditions=@cinelake/source', main], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = once(child, 'exit').then(([code]) => code as number | null)
  const lines: string[] = []
  const ready = Promise.withResolvers<void>()
  // Whoever does not wait for it is not told.
  ready.promise.catch(() => undefined)
  for (const stream of [child.stdout, child.stderr]) {
    createInterface(stream).on('line', (line) => {
      lines.push(line)
      if (line.includes('service is ready')) ready.resolve()
    })
  }
  void ended.then((code) => ready.reject(new Error(`${name} ended with code ${code}:\n${lines.slice(-20).join('\n')}`)))
  return {
    name,
    lines,
    ready: ready.promise,
    kill: async () => void (await end(child, 'SIGKILL', ended)),
    stop: async () => await end(child, 'SIGTERM', ended),
    [Symbol.asyncDispose]: async () => void (await end(child, 'SIGKILL', ended)),
  }
}

async function end(child: ChildProcess, signal: NodeJS.Signals, ended: Promise<number | null>): Promise<number | null> {
  child.kill(signal)
  return await ended
}
