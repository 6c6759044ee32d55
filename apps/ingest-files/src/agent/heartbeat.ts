import type { MessageBus } from '@cinelake/bus'
import { CONTRACT_VERSION, type AgentHeartbeat } from '@cinelake/contracts'
import { reportError, type Clock, type Log } from '@cinelake/core'
import { randomUUID } from 'node:crypto'
import { statfs } from 'node:fs/promises'

/** Who says it, and what there is to say. */
export type AgentState = Pick<AgentHeartbeat, 'worker' | 'site' | 'node' | 'version'> & {
  /** Where the agent writes: the disk whose free room counts. Has to be there. */
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

/** Tells the events topic again and again that the agent is there. One that is not heard is made up for by the next. */
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
  // A bus that does not answer is not asked twice.
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
