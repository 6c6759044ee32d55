import type { MessageBus } from '@cinelake/bus'
import { makeDirectory, type Clock } from '@cinelake/core'
import type { Lake } from '@cinelake/lake'
import type { CheckedPipeline } from '@cinelake/pipeline'
import type { Fill } from '@cinelake/secrets'
import type { AzureCredential } from '@cinelake/database'
import { agentVersion } from '../agent/version.ts'
import type { IngestFilesConfig } from '../config.ts'
import { checkCertificates, checkDisk, checkProxy, checkVersion } from './check-machine.ts'
import { checkLake, checkReceiving, checkSending } from './check-services.ts'
import { sourceChecks } from './check-sources.ts'
import { find, type Finding } from './finding.ts'

/** Milliseconds that one check may take. */
const TIMEOUT_MS = 45_000

export type CheckAgentDeps = {
  readonly config: IngestFilesConfig
  readonly settings: Readonly<Record<string, string>>
  readonly openBus: () => Promise<MessageBus>
  readonly openLake: () => Promise<Lake>
  readonly fill: Fill
  /** For databases that authenticate by an identity. */
  readonly credential?: AzureCredential
  /** The pipelines whose sources are checked; undefined: none. */
  readonly pipeline: CheckedPipeline | undefined
  readonly worker: string
  readonly clock: Clock
  readonly redact: (text: string) => string
  readonly signal: AbortSignal
  readonly timeoutMs?: number
}

/**
 * Checks everything that an agent needs at its site, in the order in which problems are best fixed. It takes no
 * command, reads no row and leaves nothing in the lake; the scheduler gets one heartbeat, since sending is the only
 * proof of the right to send.
 */
export async function* checkAgent(deps: CheckAgentDeps): AsyncGenerator<Finding> {
  const { config, settings, pipeline, fill, credential, signal, redact, timeoutMs = TIMEOUT_MS } = deps
  const options = { timeoutMs, signal, redact }
  const usesWebSockets = config.bus.url.includes('transport=websockets')
  yield await find('version', options, async () => checkVersion(await agentVersion()))
  yield await find('disk', options, () => checkDisk(config.lake.scratch.directory))
  yield await find('proxy', options, (stop) => checkProxy(settings, usesWebSockets, stop))
  yield await find('certificates', options, () => checkCertificates(settings))
  yield* checkBus(deps, options)
  yield* checkLakeAndClock(deps, options)
  for (const { name, run } of pipeline === undefined ? [] : sourceChecks(pipeline, config.site, { fill, credential })) {
    yield await find(name, options, run)
  }
}

type Options = Parameters<typeof find>[1]

async function* checkBus(deps: CheckAgentDeps, options: Options): AsyncGenerator<Finding> {
  const { config, settings, openBus, worker, clock } = deps
  if (!hasBroker(config)) {
    yield {
      check: 'bus',
      outcome: 'problem',
      detail:
        'this machine is no agent yet: expected CINELAKE_BUS=sb://NAMESPACE.servicebus.windows.net, the broker that its ' +
        `commands come from, got ${settings['CINELAKE_BUS'] ?? 'none'}; set it as docs/on-prem-agent.md says`,
    }
    return
  }
  const opened: { bus?: MessageBus } = {}
  const opening = await find('bus', options, async (signal) => {
    const bus = await openBus()
    // The check has timed out: no caller waits for it any more.
    if (signal.aborted) await bus[Symbol.asyncDispose]()
    else opened.bus = bus
    return 'opened'
  })
  if (opened.bus === undefined) {
    yield opening
    return
  }
  await using bus = opened.bus
  yield await find('bus: commands', options, () => checkReceiving(bus, config.queue))
  yield await find('bus: events', options, async () => {
    const { directory } = config.lake.scratch
    await makeDirectory(directory)
    const { site, node } = config
    const about = { worker, site, node, version: await agentVersion(), directory }
    return await checkSending(bus, { ...about, runningTasks: () => 0, state: () => 'working' }, clock)
  })
}

/** Whether the settings name a broker: without one, this machine cannot receive commands. */
export function hasBroker({ bus }: Pick<IngestFilesConfig, 'bus'>): boolean {
  return !bus.url.startsWith('memory:')
}

async function* checkLakeAndClock(deps: CheckAgentDeps, options: Options): AsyncGenerator<Finding> {
  const { settings, openLake, clock } = deps
  if (settings['CINELAKE_LAKE'] === undefined) {
    yield {
      check: 'lake',
      outcome: 'problem',
      detail:
        'no lake is set: expected CINELAKE_LAKE=abfss://CONTAINER@ACCOUNT.dfs.core.windows.net, got none, with which all ' +
        'would land in a folder of this machine; set it as docs/on-prem-agent.md says',
    }
    return
  }
  let skew: Omit<Finding, 'check'> = { outcome: 'skipped', detail: 'the lake does not tell the time' }
  yield await find('lake', options, async (signal) => {
    await using lake = await openLake()
    const found = await checkLake(lake, clock, signal)
    skew = found.clock
    return found.access
  })
  yield { check: 'clock', ...skew }
}
