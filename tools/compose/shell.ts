import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** What a command wrote, and how it ended. */
export type Ended = { readonly code: number; readonly stdout: string; readonly stderr: string }

export type RunOptions = {
  /** Added to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>
  /** Lets people read what the command says while it runs. */
  readonly loud?: boolean
  /** Milliseconds after which the command is ended. */
  readonly timeoutMs?: number
}

/** Runs a command to its end, however it ends. */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const { env = {}, loud = false, timeoutMs = 600_000 } = options
  const child = spawn(command, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', loud ? 'inherit' : 'pipe', loud ? 'inherit' : 'pipe'],
    timeout: timeoutMs,
  })
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (text: Buffer) => (stdout += text.toString()))
  child.stderr?.on('data', (text: Buffer) => (stderr += text.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code: code ?? -1, stdout, stderr }
}

/** Runs a command that has to succeed. @returns what it wrote */
export async function must(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const ended = await run(command, args, options)
  if (ended.code === 0) return ended.stdout
  throw new Error(`${command} ${args.join(' ')} ended with ${ended.code}\n${ended.stdout}${ended.stderr}`)
}
