import type { MessageBus } from '@cinelake/bus'
import { makeDirectory, type Clock } from '@cinelake/core'
import type { Lake } from '@cinelake/lake'
import type { CheckedPipeline } from '@cinelake/pipeline'
import type { Fill } from '@cinelake/secrets'
import type { AzureCredential } from '@cinelake/warehouse'
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
  /** For databases that are entered by an identity. */
  readonly credential?: AzureCredential
  /** Whose sources are looked at; undefined: none. */
  readonly pipeline: CheckedPipeline | undefined
  readonly worker: string
  readonly clock: Clock
  readonly redact: (text: string) => string
  readonly signal: AbortSignal
  readonly timeoutMs?: number
}

/** Looks at everything that an agent needs at its site, in the order in which one would mend it. Changes nothing there. */
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
  const { config, openBus, worker, clock } = deps
  if (config.bus.url.startsWith('memory:')) {
    yield { check: 'bus', outcome: 'skipped', detail: 'CINELAKE_BUS is memory: all is in one process' }
    return
  }
  const opened: { bus?: MessageBus } = {}
  const opening = await find('bus', options, async (signal) => {
    const bus = await openBus()
    // Nobody waits for it any more.
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

async function* checkLakeAndClock({ openLake, clock }: CheckAgentDeps, options: Options): AsyncGenerator<Finding> {
  let skew: Omit<Finding, 'check'> = { outcome: 'skipped', detail: 'the lake does not tell the time' }
  yield await find('lake', options, async (signal) => {
    await using lake = await openLake()
    const found = await checkLake(lake, clock, signal)
    skew = found.clock
    return found.access
  })
  yield { check: 'clock', ...skew }
}
