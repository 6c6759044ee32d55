import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { randomUUID } from 'node:crypto'
import type { Command, Service } from '../libs/contracts/src/index.ts'
import type { TaskHandlers, TaskOutcome } from '../libs/bus/src/index.ts'
import { balanceHolds, parseWindow, runIdOf, silentLog, systemClock } from '../libs/core/src/index.ts'
import { createDuckDbEngine } from '../libs/engine/src/duckdb/duckdb.ts'
import { createDirectoryLake } from '../libs/lake/src/directory/lake.ts'
import {
  createSqlTyper,
  freezePipeline,
  loadPipeline,
  planRun,
  readPipeline,
  type PlannedTask,
} from '../libs/pipeline/src/index.ts'
import type { Contest } from './contest.ts'

const ENGINE_BYTES: Readonly<Record<string, number>> = { '1GB': 1000 * 1000 * 1000, '256MB': 256 * 1000 * 1000 }

/**
 * The handlers of one service over a directory lake, in the order of the plan: what the service's container does, without
 * the bus. The ingest is a contest of its own and is done before the clock starts, by `landForCinelake`.
 */
async function runService(contest: Contest, service: Service): Promise<number> {
  const { data, out, memory, refineOnly } = contest
  const memoryBytes = ENGINE_BYTES[memory]
  if (memoryBytes === undefined) throw new Error(`no bytes are known for a memory limit of ${memory}`)
  await using lake = await createDirectoryLake(join(out, 'lake'))
  await using engine = await createDuckDbEngine({
    memoryBytes,
    threads: 2,
    scratchDirectory: join(out, 'scratch'),
    directories: lake.localDirectories,
  })
  const pipeline = await loadPipeline(lake, await pipelineRef(lake, engine))
  const { digest } = freezePipeline(pipeline)
  const window = parseWindow(pipeline.schedule, '2026-03-01')
  if (window === undefined) throw new Error('the bench pipeline has no window 2026-03-01')
  const deps = {
    lake,
    engine,
    clock: systemClock,
    log: silentLog,
    fill: async (text: string) => text.replace('${BENCH_DATA}', data.directory),
  }
  // As in its container, a service's process has its own code only: the drivers of the other's sources would count as memory.
  const handlers: TaskHandlers =
    service === 'transformer'
      ? (await import('../apps/transformer/src/index.ts')).createTransformerHandlers(deps)
      : (await import('../apps/ingest-files/src/index.ts')).createIngestFilesHandlers(deps)
  const outputs = new Map<string, TaskOutcome>()
  let rowCount = 0
  for (const task of planRun(pipeline)) {
    if (task.queue !== service) continue
    if (refineOnly && task.name !== 'refine viewings') continue
    const command = commandOf(task, outputs, {
      run: runIdOf(pipeline.name, window),
      window,
      pipeline: { name: pipeline.name, digest },
    })
    const begun = performance.now()
    const outcome = await carryOut(handlers, command)
    if (contest.verbose === true)
      console.error(
        `    ${task.name}: ${Math.round(performance.now() - begun)} ms, peak ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB`,
      )
    if (!balanceHolds(outcome.balance)) throw new Error(`${task.name}: the balance does not hold`)
    outputs.set(task.name, outcome)
    if (task.name === 'refine viewings') rowCount = outcome.balance.out
  }
  return rowCount
}

const REF = 'pipelines/bench/ref.json'

/** The frozen pipeline: read from its folder the first time (as the scheduler does), only named after that (as to a worker). */
async function pipelineRef(
  lake: Awaited<ReturnType<typeof createDirectoryLake>>,
  engine: Awaited<ReturnType<typeof createDuckDbEngine>>,
) {
  const known = await lake.readText(REF)
  if (known !== undefined) return JSON.parse(known) as { name: string; digest: string }
  const pipeline = await usable(engine)
  const frozen = freezePipeline(pipeline)
  await lake.putIfAbsent(frozen.path, frozen.text)
  const ref = { name: pipeline.name, digest: frozen.digest }
  await lake.put(REF, JSON.stringify(ref))
  return ref
}

async function usable(engine: Awaited<ReturnType<typeof createDuckDbEngine>>) {
  await using session = await engine.session()
  const { pipeline, problems } = await readPipeline(join(import.meta.dirname, 'pipeline'), {
    typer: createSqlTyper(session),
  })
  if (pipeline === undefined) throw new Error(problems.map(({ message }) => message).join('\n'))
  return pipeline
}

async function carryOut(handlers: TaskHandlers, command: Command): Promise<TaskOutcome> {
  const context = { signal: new AbortController().signal, progress() {} }
  const handler = handlers[command.kind] as
    | ((command: Command, given: typeof context) => Promise<TaskOutcome>)
    | undefined
  if (handler === undefined) throw new Error(`nobody carries out ${command.kind}`)
  return await handler(command, context)
}

type RunFacts = Pick<Extract<Command, { kind: 'refine' }>, 'run' | 'window' | 'pipeline'>

function commandOf(task: PlannedTask, outputs: ReadonlyMap<string, TaskOutcome>, facts: RunFacts): Command {
  const header = { contract: 1 as const, id: randomUUID(), ...facts, task: task.name, generation: 1, attempt: 1 }
  const { work } = task
  if (work.kind === 'ingest')
    return { kind: 'ingest', ...header, source: work.source, dataset: work.dataset, since: null }
  if (work.kind === 'refine') {
    const manifest = `raw/_landed/bench/${facts.window.label}/ingest-drops.${work.dataset}.json`
    return { kind: 'refine', ...header, dataset: work.dataset, manifest }
  }
  if (work.kind === 'build')
    return { kind: 'build', ...header, model: work.model, inputs: work.inputs.map((name) => versionOf(name, outputs)) }
  throw new Error(`the bench has no ${work.kind}`)
}

function versionOf(name: string, outputs: ReadonlyMap<string, TaskOutcome>) {
  const output = (outputs.get(`refine ${name}`) ?? outputs.get(`build ${name}`))?.output
  if (output?.kind !== 'table') throw new Error(`${name} was not made`)
  return { table: output.table, version: output.version }
}

/** Lands the CSVs in a fresh lake, which is where the transformer finds them. */
export async function landForCinelake(contest: Contest): Promise<number> {
  await rm(contest.out, { recursive: true, force: true })
  return await runService({ ...contest, refineOnly: false }, 'ingest-files')
}

/** The transformer's part of the day: raw to refined, and the models. */
export async function runCinelake(contest: Contest): Promise<number> {
  if (!existsSync(join(contest.out, 'lake', 'raw'))) throw new Error('land the files first')
  return await runService(contest, 'transformer')
}
