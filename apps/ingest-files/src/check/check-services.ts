import type { MessageBus } from '@cinelake/bus'
import { probePath, type Queue } from '@cinelake/contracts'
import type { Clock } from '@cinelake/core'
import type { Lake } from '@cinelake/lake'
import { randomUUID } from 'node:crypto'
import { heartbeatOf, type AgentState } from '../agent/heartbeat.ts'
import type { Finding } from './finding.ts'

/**
 * Milliseconds: tokens and signatures of Azure tolerate a clock skew of five minutes or more; this is the limit for a
 * clock that is kept in sync.
 */
const MOST_SKEW_MS = 60_000

/** Consumes nothing: peeking at dead letters needs the same right to receive, and leaves them in place. */
export async function checkReceiving(bus: Pick<MessageBus, 'deadLetters'>, queue: Queue): Promise<string> {
  const { length } = await bus.deadLetters(queue)
  return `may receive from ${queue}${length === 0 ? '' : `, which has ${length} dead letters: see \`cinelake dead-letters\``}`
}

export async function checkSending(bus: Pick<MessageBus, 'publish'>, agent: AgentState, clock: Clock): Promise<string> {
  await bus.publish(await heartbeatOf(agent, clock))
  return 'may publish events; a heartbeat was sent'
}

/** Writes, reads and deletes an object of its own, and compares its timestamp with the local clock. */
export async function checkLake(
  lake: Lake,
  clock: Clock,
  signal: AbortSignal,
): Promise<{ readonly access: string; readonly clock: Omit<Finding, 'check'> }> {
  const path = probePath(randomUUID())
  const content = JSON.stringify({ probe: path })
  const before = clock().getTime()
  await lake.putIfAbsent(path, content, { signal })
  const after = clock().getTime()
  try {
    const written = await lake.stat(path, { signal })
    if ((await lake.readText(path, { signal })) !== content) throw new Error('the probe came back changed')
    return {
      access: `${lake.location}: may write, read and delete`,
      clock: skewOf(written?.modifiedAt.getTime() ?? before, before, after),
    }
  } finally {
    await lake.delete(path)
  }
}

/** The lake's timestamps have whole seconds. */
function skewOf(lakeMs: number, before: number, after: number): Omit<Finding, 'check'> {
  const ahead = Math.max(0, before - (lakeMs + 1000)) - Math.max(0, lakeMs - after)
  const seconds = Math.round(Math.abs(ahead) / 1000)
  if (Math.abs(ahead) <= MOST_SKEW_MS) {
    return { outcome: 'fine', detail: seconds <= 1 ? "agrees with the lake's" : `${seconds} s off the lake's` }
  }
  const way = ahead > 0 ? 'ahead of' : 'behind'
  return {
    outcome: 'problem',
    detail: `${seconds} s ${way} the lake's: expected at most 60 s; keep this machine's clock by NTP, or signing in fails`,
  }
}
