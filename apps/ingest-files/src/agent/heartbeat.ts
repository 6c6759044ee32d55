import type { MessageBus } from '@cinelake/bus'
import { type AgentHeartbeat, CONTRACT_VERSION } from '@cinelake/contracts'
import { type Clock, type Log, reportError } from '@cinelake/core'
import { randomUUID } from 'node:crypto'
import { readFile, statfs } from 'node:fs/promises'
import { z } from 'zod'

const Package = z.object({ version: z.string() })

/** The release of this agent. */
export async function agentVersion(): Promise<string> {
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8')
  return Package.parse(JSON.parse(text)).version
}

/** The sender of the heartbeat, and its content. */
export type AgentState = Pick<AgentHeartbeat, 'worker' | 'site' | 'node' | 'version'> & {
  /** The agent's working directory: the disk whose free space is reported. Must exist. */
  readonly directory: string
  readonly runningTasks: () => number
  readonly state: () => AgentHeartbeat['state']
}

type Deps = {
  readonly bus: Pick<MessageBus, 'publish'>
  readonly clock: Clock
  readonly log: Log
  readonly everyMs: number
}

/** Publishes a heartbeat to the events topic at each interval. A lost one is superseded by the next. */
export function startHeartbeat(agent: AgentState, { bus, clock, log, everyMs }: Deps): AsyncDisposable {
  let beating: Promise<void> | undefined
  const beat = async () => {
    try {
      await bus.publish(await heartbeatOf(agent, clock))
    } catch (error) {
      log.warn({ error: reportError(error) }, 'heartbeat was not published; the next one comes')
    } finally {
      beating = undefined
    }
  }
  // While the bus does not answer, no second heartbeat is sent.
  const next = () => void (beating ??= beat())
  next()
  const timer = setInterval(next, everyMs)
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await beating
    },
  }
}

export async function heartbeatOf(agent: AgentState, clock: Clock): Promise<AgentHeartbeat> {
  const { worker, site, node, version, directory, runningTasks, state } = agent
  return {
    kind: 'agent.heartbeat',
    contract: CONTRACT_VERSION,
    id: randomUUID(),
    at: clock().toISOString(),
    worker,
    site,
    node,
    version,
    freeDiskBytes: await freeBytes(directory),
    runningTasks: runningTasks(),
    state: state(),
  }
}

/** Bytes that this process may still write on the disk of a directory. */
export async function freeBytes(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory)
  return bavail * bsize
}
