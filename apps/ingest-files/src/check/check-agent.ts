import type { MessageBus } from '@cinelake/bus'
import { type Queue, probePath } from '@cinelake/contracts'
import { type Clock, defineErrors, makeDirectory, reportError, transient } from '@cinelake/core'
import type { AzureCredential } from '@cinelake/database'
import type { Lake } from '@cinelake/lake'
import type { CheckedPipeline, CheckedSource } from '@cinelake/pipeline'
import type { Fill } from '@cinelake/secrets'
import { databaseKind } from '@cinelake/source-database'
import { filesKind } from '@cinelake/source-files'
import { type SourceCheck, type SourceConfig, agentQueue } from '@cinelake/source-kind'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { type AgentState, agentVersion, freeBytes, heartbeatOf } from '../agent/heartbeat.ts'
import type { IngestFilesConfig } from '../config.ts'

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

type Settings = CheckAgentDeps['settings']
type Found = string | Omit<Finding, 'check'>

const problem = (detail: string): Found => ({ outcome: 'problem', detail })
const skipped = (detail: string): Found => ({ outcome: 'skipped', detail })

const GIB = 1024 ** 3
/** Bytes below which an engine that spills, or a copy, soon runs out of space. */
const LEAST_FREE_BYTES = GIB
/** The Node release that the code is written for. */
const NODE_MAJOR = 24

function checkVersion(version: string): Found {
  const major = Number(process.versions.node.split('.')[0])
  const found = `agent ${version}, Node ${process.versions.node}, ${process.platform} ${process.arch}`
  return major >= NODE_MAJOR ? found : problem(`${found}: expected Node ${NODE_MAJOR} or later; install it`)
}

async function checkDisk(directory: string): Promise<Found> {
  await makeDirectory(directory)
  const free = await freeBytes(directory)
  const found = `${(free / GIB).toFixed(1)} GiB free at ${directory}`
  if (free >= LEAST_FREE_BYTES) return found
  return problem(`${found}: expected at least 1 GiB; make room, or set CINELAKE_SCRATCH to another disk`)
}

/** A configured proxy must be reachable; whether it lets traffic through is shown by the checks of bus and lake. */
async function checkProxy(settings: Settings, usesWebSockets: boolean, signal: AbortSignal): Promise<Found> {
  const { HTTPS_PROXY: proxy, NO_PROXY: except } = settings
  if (proxy === undefined) {
    const other = ['https_proxy', 'HTTP_PROXY', 'http_proxy', 'ALL_PROXY'].find((name) => settings[name] !== undefined)
    return other === undefined
      ? skipped('none: bus and lake are reached directly')
      : problem(`${other} is set and HTTPS_PROXY is not: bus and lake would not be reached alike; set HTTPS_PROXY`)
  }
  const address = URL.parse(proxy)
  if (address === null || !['http:', 'https:'].includes(address.protocol))
    return problem('HTTPS_PROXY: expected http://HOST:PORT, got something else')
  const port = Number(address.port || (address.protocol === 'https:' ? 443 : 80))
  const socket = connect({ host: address.hostname.replaceAll(/[[\]]/g, ''), port })
  try {
    await once(socket, 'connect', { signal })
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'no answer'
    return problem(`${address.host} does not answer (${reason}): correct HTTPS_PROXY, or start the proxy`)
  } finally {
    socket.destroy()
  }
  const around = except === undefined ? '' : `, but for ${except}`
  if (usesWebSockets) return `${address.host} for bus and lake${around}`
  return `${address.host} for the lake${around}; the bus goes past it by port 5671, without ?transport=websockets in CINELAKE_BUS`
}

/** Node ignores an unusable file with only a warning. */
async function checkCertificates(settings: Settings): Promise<Found> {
  const file = settings['NODE_EXTRA_CA_CERTS']
  if (file === undefined) return skipped('NODE_EXTRA_CA_CERTS is not set: the public authorities alone are trusted')
  const content = await readFile(file, 'utf8').catch(() => undefined)
  const count = content?.split('-----BEGIN CERTIFICATE-----').length ?? 0
  if (count > 1) return `${count - 1} more trusted by ${file}`
  const found = content === undefined ? 'no file that can be read' : 'a file without one'
  return problem(`${file}: expected certificates as PEM, got ${found}; correct NODE_EXTRA_CA_CERTS`)
}

/**
 * Milliseconds: tokens and signatures of Azure tolerate a clock skew of five minutes or more; this is the limit for a
 * clock that is kept in sync.
 */
const MOST_SKEW_MS = 60_000

/** Consumes nothing: peeking at dead letters needs the same right to receive, and leaves them in place. */
async function checkReceiving(bus: Pick<MessageBus, 'deadLetters'>, queue: Queue): Promise<string> {
  const { length } = await bus.deadLetters(queue)
  return `may receive from ${queue}${length === 0 ? '' : `, which has ${length} dead letters: see \`cinelake dead-letters\``}`
}

async function checkSending(bus: Pick<MessageBus, 'publish'>, agent: AgentState, clock: Clock): Promise<string> {
  await bus.publish(await heartbeatOf(agent, clock))
  return 'may publish events; a heartbeat was sent'
}

/** Writes, reads and deletes an object of its own, and compares its timestamp with the local clock. */
async function checkLake(
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

/** Resolves secrets in sources, and authenticates where a database wants an identity. */
type Filling = { readonly fill: Fill; readonly credential?: AzureCredential | undefined }

type Kind<Checked extends CheckedSource> = {
  readonly config: Pick<SourceConfig<never, Checked>, 'plan'>
  checks(source: Checked, deps: Filling): readonly SourceCheck[]
}

/** The source kinds that agents read. */
const KINDS: { readonly [Type in CheckedSource['type']]?: Kind<Extract<CheckedSource, { type: Type }>> } = {
  files: filesKind,
  database: databaseKind,
}

/** The checks of the sources that a site's agents read. */
function sourceChecks(pipeline: Pick<CheckedPipeline, 'sources'>, site: string, deps: Filling): SourceCheck[] {
  const queue = agentQueue(site === '' ? undefined : site)
  return pipeline.sources.flatMap((source) => {
    const kind: Kind<CheckedSource> | undefined = KINDS[source.type]
    return kind === undefined || kind.config.plan(source).queue !== queue ? [] : kind.checks(source, deps)
  })
}

/** The result of one check. */
export type Finding = {
  /** The thing that was checked: `bus`, `folder catalogue/titles`. */
  readonly check: string
  /** `skipped`: nothing to check. */
  readonly outcome: 'fine' | 'problem' | 'skipped'
  /** Details of the result; for a problem, also what to do. */
  readonly detail: string
}

const checkErrors = defineErrors({
  /** Something that a site needs does not answer. */
  AGENT_CHECK_TIMEOUT: transient((check: string, timeoutMs: number) => [
    `no answer [check=${check}]: expected one within ${timeoutMs / 1000} s, got none; ` +
      'a firewall that drops what it does not let through looks like this',
    { check, timeoutMs },
  ]),
})

type Options = {
  readonly timeoutMs: number
  readonly signal: AbortSignal
  /** Redacts secrets from error messages. */
  readonly redact: (text: string) => string
}

/** Runs one check. Any error is a problem, with the error's message. */
async function find(
  check: string,
  { timeoutMs, signal, redact }: Options,
  run: (signal: AbortSignal) => Promise<string | Omit<Finding, 'check'>>,
): Promise<Finding> {
  const stop = new AbortController()
  const stopped = AbortSignal.any([signal, stop.signal])
  const tooLate = pause(timeoutMs, undefined, { signal: stopped, ref: false }).then(
    () => {
      throw checkErrors.AGENT_CHECK_TIMEOUT(check, timeoutMs)
    },
    // Cancelled, or the check has ended: the result is not needed any more.
    () => new Promise<never>(() => {}),
  )
  try {
    const found = await Promise.race([run(stopped), tooLate])
    return typeof found === 'string' ? { check, outcome: 'fine', detail: found } : { check, ...found }
  } catch (error) {
    signal.throwIfAborted()
    return { check, outcome: 'problem', detail: redact(reportError(error).message) }
  } finally {
    stop.abort()
  }
}
