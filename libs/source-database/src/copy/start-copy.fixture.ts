import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import type { Agent } from '../source-database.fixture.ts'

/** An agent in a process of its own, over the disk of another: carries out one command, and says its balance. */
export function startCopy(agent: Agent, command: unknown): ChildProcess {
  const program = join(import.meta.dirname, 'copier.fixture.ts')
  const args = ['--conditions=@cinelake/source', program, agent.directory, JSON.stringify(command)]
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
}

/** What it says, once it has ended. */
export async function said(copy: ChildProcess): Promise<unknown> {
  const ended = new Promise<void>((resolve) => copy.once('close', () => resolve()))
  let text = ''
  copy.stdout?.on('data', (data: Buffer) => void (text += data.toString()))
  await ended
  return JSON.parse(text)
}
