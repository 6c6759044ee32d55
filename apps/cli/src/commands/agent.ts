import { openBus } from '@cinelake/bus/open'
import { silentLog, systemClock } from '@cinelake/core'
import { type Finding, IngestFilesEnv, checkAgent, hasBroker } from '@cinelake/ingest-files'
import { openLake } from '@cinelake/lake/open'
import type { AgentRecord } from '@cinelake/run-store'
import { createFill } from '@cinelake/secrets'
import { createRedaction, readEnv, workerName } from '@cinelake/service'
import { azureCredential as credential } from '@cinelake/service/azure'
import type { CommandContext } from '../command.ts'
import { openHistory, openSecrets } from '../open-parts.ts'
import { formatTable, layoutOf } from '../output/format-table.ts'
import { formatBytes, formatInstant, toJson } from '../output/format-value.ts'
import type { Style } from '../output/terminal.ts'
import { usablePipeline } from '../read-folder.ts'
import { platformConfig } from '../settings.ts'

type CheckOptions = { readonly pipeline?: string; readonly json?: true }
type ListOptions = { readonly state?: string; readonly json?: true }

const MARKS: Readonly<Record<Finding['outcome'], readonly [mark: string, style: Style]>> = {
  fine: ['✓', 'green'],
  problem: ['✗', 'red'],
  skipped: ['-', 'dim'],
}

export async function check(
  options: CheckOptions,
  { terminal, settings, signal, exitWith }: CommandContext,
): Promise<void> {
  const config = readEnv(IngestFilesEnv, settings)
  const redaction = createRedaction(settings)
  await using secrets = await openSecrets(config, settings)
  redaction.redactWith(secrets.redact)
  const pipeline = options.pipeline === undefined ? undefined : await usablePipeline(options.pipeline, config)
  const isJson = options.json === true
  const findings: Finding[] = []
  const checks = checkAgent({
    config,
    settings,
    openBus: () => openBus(config.bus, { credential, log: silentLog }),
    openLake: () => openLake(config.lake, { credential }),
    fill: createFill({ settings, secrets }),
    credential,
    pipeline,
    worker: workerName(),
    clock: systemClock,
    redact: redaction.redact,
    signal,
  })
  for await (const finding of checks) {
    findings.push(finding)
    const [mark, style] = MARKS[finding.outcome]
    if (!isJson) terminal.print(`${terminal.paint(style, mark)} ${finding.check}: ${finding.detail}\n`)
  }
  const problems = findings.filter(({ outcome }) => outcome === 'problem').length
  if (problems > 0) exitWith(1)
  if (isJson) return terminal.print(`${toJson({ ok: problems === 0, findings })}\n`)
  if (problems === 0) return terminal.print('\nThis machine can be an agent.\n')
  terminal.print(`\n${hasBroker(config) ? '' : 'This machine is no agent yet: '}${problems} to fix.\n`)
}

export async function list(options: ListOptions, { terminal, settings, signal, clock }: CommandContext): Promise<void> {
  await using history = await openHistory(platformConfig(settings, options.state), signal)
  const agents = await history.agents()
  if (options.json === true) return terminal.print(`${toJson({ agents })}\n`)
  if (agents.length === 0) return terminal.print('No agent has been heard of yet.\n')
  const titles = ['site', 'node', 'version', 'state', 'free disk', 'tasks', 'clock', 'heard']
  terminal.print(
    formatTable(
      titles.map((title) => ({ title })),
      agents.map((agent) => agentRow(agent, clock())),
      layoutOf(terminal),
    ),
  )
}

/** Milliseconds after which an agent with one heartbeat a minute counts as gone. */
const SILENT_MS = 5 * 60_000
/** Milliseconds of clock skew that are not reported: messages take some time. */
const TOLD_SKEW_MS = 30_000

function agentRow(agent: AgentRecord, now: Date): string[] {
  const isSilent = now.getTime() - Date.parse(agent.heardAt) > SILENT_MS
  const skew = Math.round(agent.clockAheadMs / 1000)
  return [
    agent.site === '' ? '-' : agent.site,
    agent.node,
    agent.version,
    isSilent ? 'silent' : agent.state,
    formatBytes(agent.freeDiskBytes),
    String(agent.runningTasks),
    Math.abs(agent.clockAheadMs) < TOLD_SKEW_MS ? 'fine' : `${skew > 0 ? '+' : ''}${skew} s`,
    formatInstant(agent.heardAt),
  ]
}
