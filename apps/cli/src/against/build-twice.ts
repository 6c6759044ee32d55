import path from 'node:path'
import { type Build, CONTRACT_VERSION, type PlannedTask, type Refine } from '@cinelake/contracts'
import {
  type Clock,
  TerminalError,
  type Window,
  defineErrors,
  parseWindow,
  runIdOf,
  silentLog,
  terminal,
} from '@cinelake/core'
import { type DeltaTable, locateRejects, locateTable } from '@cinelake/delta'
import type { SqlEngine } from '@cinelake/engine'
import { type Lake, newestManifestPath } from '@cinelake/lake'
import { createDirectoryLake } from '@cinelake/lake/directory'
import { createOverlayLake } from '@cinelake/lake/overlay'
import { type CheckedPipeline, downstreamOf, planRun, storePipeline } from '@cinelake/pipeline'
import { type UnpackLimits, createTransformerHandlers } from '@cinelake/transformer'
import { randomUUID } from 'node:crypto'
import { type LakeTable, refinedTable, rejectsTable } from '../lake-tables.ts'

/** The build's inputs and tools. */
type BuildDeps = {
  readonly lake: Lake
  readonly engine: SqlEngine
  /** A directory that the engine may access, for the clones. */
  readonly directory: string
  readonly limits: UnpackLimits
  readonly clock: Clock
  readonly signal: AbortSignal
}

export type BuildPlan = {
  /** Oldest first. */
  readonly windows: readonly Window[]
  /** Whether no later window has landed. */
  readonly isLast: (window: Window) => boolean
  /** Datasets and models to make. */
  readonly tables: ReadonlySet<string>
}

/** A shallow clone of the lake in which a text's tables were made. */
export type Built = AsyncDisposable & {
  readonly pipeline: CheckedPipeline
  readonly lake: Lake
  /** Why tables could not be made, by name. */
  readonly failures: ReadonlyMap<string, string>
  /** Tables that already hold a later window, so that nothing was done. */
  readonly superseded: ReadonlySet<string>
}

export type BuiltTwice = AsyncDisposable & {
  readonly before: Built | undefined
  readonly after: Built
  /**
   * Tables whose existing rows are incompatible with a text's rows, with the reason: only the windows' rows were made.
   */
  readonly begun: ReadonlyMap<string, string>
}

/**
 * Makes tables under two texts, each in a shallow clone of the lake: the transformer's writes go to a directory, and
 * its reads go to the lake. Windows are applied to the current tables, as `run --changed` would do. A table that
 * accumulates is built from empty where all of its windows are built; so is, in both clones, a table that refuses the
 * rows of a text: its user has to decide about that.
 */
export async function buildTwice(
  texts: { readonly before: CheckedPipeline | undefined; readonly after: CheckedPipeline },
  plan: BuildPlan,
  deps: BuildDeps,
): Promise<BuiltTwice> {
  const begun = new Map<string, string>()
  const both = [texts.before, texts.after].filter((text) => text !== undefined)
  const frozen = await freezeTables(deps.lake, both, deps.signal)
  const whole = await wholeTables(both, plan, deps)
  for (;;) {
    await using opening = new AsyncDisposableStack()
    const refused = new Map<string, string>()
    const build = async (pipeline: CheckedPipeline) =>
      opening.use(await buildClone(pipeline, plan, { ...deps, frozen, whole, begun, refused }))
    const before = texts.before === undefined ? undefined : await build(texts.before)
    const after = await build(texts.after)
    for (const [table, reason] of refused) begun.set(table, reason)
    if (refused.size > 0) continue
    const opened = opening.move()
    return { before, after, begun, [Symbol.asyncDispose]: async () => await opened.disposeAsync() }
  }
}

/** Tables that accumulate, or feed one that does, and that only the windows to make have written to. */
async function wholeTables(
  texts: readonly CheckedPipeline[],
  { windows, tables }: BuildPlan,
  { lake, signal }: BuildDeps,
): Promise<Set<string>> {
  const labels = new Set(windows.map(({ label }) => label))
  const whole = new Set<string>()
  for (const pipeline of texts) {
    const tasks = planRun(pipeline).filter(({ work }) => tables.has(tableMadeBy(work) ?? ''))
    const accumulating = new Set(tasks.filter(({ work }) => accumulates(pipeline, work)).map(({ name }) => name))
    for (const { name, work } of tasks) {
      const isFeeding = windows.length > 1 && [...downstreamOf(tasks, [name])].some((below) => accumulating.has(below))
      if (!accumulating.has(name) && !isFeeding) continue
      const table = tableMadeBy(work) ?? ''
      const snapshot = await (await refinedTable(lake, { pipeline: pipeline.name, table })).snapshot({ signal })
      const [prefix, suffix] = [`${pipeline.name}@`, `/${name}`]
      const written = [...(snapshot?.txns.keys() ?? [])].filter((id) => id.startsWith(prefix) && id.endsWith(suffix))
      const isWhole = written.every((id) => labels.has(id.slice(prefix.length, -suffix.length)))
      if (written.length > 0 && isWhole) whole.add(table)
    }
  }
  return whole
}

/** Whether the content of a table after a window depends on its content before. */
function accumulates({ datasets, models }: CheckedPipeline, work: PlannedTask['work']): boolean {
  if (work.kind === 'refine') return datasets.some(({ name, mode }) => name === work.dataset && mode !== 'snapshot')
  if (work.kind !== 'build') return false
  return models.some(({ name, materialization }) => name === work.model && materialization !== 'table')
}

type Deps = BuildDeps & {
  readonly frozen: FrozenTables
  /** Tables that are built from empty, since all of their windows are built. */
  readonly whole: ReadonlySet<string>
  /** Tables that are built from empty, since the current one refuses the rows. */
  readonly begun: ReadonlyMap<string, string>
  /** Collects those that would have to be. */
  readonly refused: Map<string, string>
}

type Work = Deps &
  BuildPlan & {
    readonly pipeline: CheckedPipeline
    readonly digest: string
    readonly failures: Map<string, string>
    readonly superseded: Set<string>
    /** Tables of which a window was made. */
    readonly made: Set<string>
  }

async function buildClone(pipeline: CheckedPipeline, plan: BuildPlan, deps: Deps): Promise<Built> {
  await using opening = new AsyncDisposableStack()
  const lake = opening.use(await cloneLake(deps.lake, deps.frozen, deps.directory))
  const { digest } = await storePipeline(lake, pipeline)
  const [failures, superseded] = [new Map<string, string>(), new Set<string>()]
  const work: Work = { ...deps, ...plan, lake, pipeline, digest, failures, superseded, made: new Set() }
  const tasks = planRun(pipeline).filter(({ work: task }) => plan.tables.has(tableMadeBy(task) ?? ''))
  for (const window of plan.windows) for (const task of tasks) await doTask(task, window, work)
  const opened = opening.move()
  return { pipeline, lake, failures, superseded, [Symbol.asyncDispose]: async () => await opened.disposeAsync() }
}

function tableMadeBy(work: PlannedTask['work']): string | undefined {
  if (work.kind === 'refine') return work.dataset
  return work.kind === 'build' ? work.model : undefined
}

async function doTask({ name, work: task }: PlannedTask, window: Window, work: Work): Promise<void> {
  const table = tableMadeBy(task) ?? ''
  if (work.failures.has(table) || work.refused.size > 0) return
  try {
    const command = await commandOf(table, { name, window }, work)
    if (command === undefined) return
    const { lake, engine, clock, limits, signal } = work
    const handlers = createTransformerHandlers({ lake, engine, clock, log: silentLog, limits })
    const context = { signal, progress: () => undefined }
    const done =
      command.kind === 'refine' ? await handlers.refine?.(command, context) : await handlers.build?.(command, context)
    const isSuperseded = done?.output.kind === 'table' && done.output.outcome === 'superseded'
    if (isSuperseded) work.superseded.add(table)
    else work.superseded.delete(table)
    work.made.add(table)
  } catch (error) {
    // Errors that a retry can fix, bugs, and errors about the lake's content are not caused by the text.
    if (!(error instanceof TerminalError) || OF_THE_LAKE.test(error.code) || work.signal.aborted) throw error
    if (error.code === LOSSY && !work.begun.has(table)) work.refused.set(table, error.message)
    else work.failures.set(table, error.message)
  }
}

/** Codes of errors about the lake's content. */
const OF_THE_LAKE = /^(?:LAKE|RAW|TABLE)_|^DELTA_(?:FILE_DAMAGED|LOG_CORRUPT|UNSUPPORTED|VERSION_MISSING)$/

/** Code of the error by which a table refuses rows that are incompatible with the existing ones. */
const LOSSY = 'CONTRACT_CHANGE_LOSSY'

const againstErrors = defineErrors({
  /** Why a table cannot be made, where the text itself is not the cause. */
  PLAN_NOT_BUILT: terminal((message: string, table: string) => [message, { table }]),
})

type Asked = { readonly name: string; readonly window: Window }

/** @returns undefined where nothing has landed */
async function commandOf(table: string, { name, window }: Asked, work: Work): Promise<Refine | Build | undefined> {
  const { pipeline, digest, lake, signal } = work
  const run = runIdOf(pipeline.name, window)
  const there = await (await refinedTable(lake, { pipeline: pipeline.name, table })).snapshot({ signal })
  // A later attempt than those recorded in the table, so that it is executed.
  const generation = (there?.txns.get(`${run}/${name}`) ?? 0) + 1
  const header = {
    contract: CONTRACT_VERSION,
    id: randomUUID(),
    run,
    task: name,
    generation,
    attempt: 1,
    pipeline: { name: pipeline.name, digest },
    window,
    ...((work.whole.has(table) || work.begun.has(table)) && !work.made.has(table) && { restart: true }),
  } as const
  const dataset = pipeline.datasets.find((each) => each.name === table)
  if (dataset !== undefined) {
    const task = `ingest ${dataset.source}/${dataset.sourceDataset}`
    const landing = { pipeline: pipeline.name, label: window.label, task }
    const manifest = await newestManifestPath(lake, landing, { signal })
    return manifest === undefined ? undefined : { kind: 'refine', ...header, dataset: table, manifest }
  }
  return { kind: 'build', ...header, model: table, inputs: await inputsOf(table, window, work) }
}

async function inputsOf(model: string, window: Window, work: Work): Promise<Build['inputs']> {
  const { pipeline, lake, failures, signal } = work
  const names = pipeline.models.find(({ name }) => name === model)?.inputs ?? []
  const inputs: Build['inputs'] = []
  for (const table of names) {
    if (failures.has(table))
      throw againstErrors.PLAN_NOT_BUILT(`\`${table}\`, which it reads, could not be made`, model)
    const dot = table.indexOf('.')
    const at = { pipeline: dot < 0 ? pipeline.name : table.slice(0, dot), table: table.slice(dot + 1) }
    const input = await refinedTable(lake, at)
    const version = await versionIn(window, input, { ...work, isMade: dot < 0 && work.tables.has(table) })
    const snapshot = await input.snapshot({ ...(version !== undefined && { version }), signal })
    if (snapshot === undefined)
      throw againstErrors.PLAN_NOT_BUILT(`\`${table}\`, which it reads, has no rows yet`, model)
    inputs.push({ table, version: snapshot.version, id: snapshot.id })
  }
  return inputs
}

/**
 * The version of an input that a window read, where later windows have written to it since: the version that a re-run
 * of the window's task reads. Undefined: the newest, as for a table that is made here.
 */
async function versionIn(
  window: Window,
  table: DeltaTable,
  { pipeline, isLast, isMade }: Work & { readonly isMade: boolean },
): Promise<number | undefined> {
  if (isMade || isLast(window)) return undefined
  const prefix = `${pipeline.name}@`
  const startOf = (appId = ''): string | undefined => {
    if (!appId.startsWith(prefix)) return undefined
    return parseWindow(pipeline.schedule, appId.slice(prefix.length).split('/')[0] ?? '')?.start
  }
  const commits = await table.history()
  return commits.find(({ txn }) => (startOf(txn?.appId) ?? AFTER_ALL) <= window.start)?.version
}

/** Sorts after every instant. */
const AFTER_ALL = '~'

/** A snapshot of the tables' versions, by their folders in the lake; -1 where there was no table. */
type FrozenTables = ReadonlyMap<string, number>

/**
 * Records the versions of all tables that pipelines make or read, and of their rejects: runs may continue meanwhile,
 * and their rows are not an effect of the text. Exported for tests.
 */
export async function freezeTables(
  lake: Lake,
  pipelines: readonly CheckedPipeline[],
  signal: AbortSignal,
): Promise<FrozenTables> {
  const tables = new Map<string, LakeTable>()
  for (const { name: pipeline, datasets, models } of pipelines) {
    const own = [...datasets, ...models].map(({ name }) => ({ pipeline, table: name }))
    const used = models.flatMap(({ inputs }) => inputs.filter((input) => input.includes('.')))
    const others = used.map((name) => {
      const dot = name.indexOf('.')
      return { pipeline: name.slice(0, dot), table: name.slice(dot + 1) }
    })
    for (const each of [...own, ...others]) tables.set(`${each.pipeline}.${each.table}`, each)
  }
  const frozen = new Map<string, number>()
  for (const each of tables.values()) {
    const table = await (await refinedTable(lake, each)).snapshot({ signal })
    frozen.set(await locateTable(lake, each.pipeline, each.table, { signal }), table?.version ?? -1)
    const rejects = await (await rejectsTable(lake, each)).snapshot({ signal })
    frozen.set(await locateRejects(lake, each.pipeline, each.table, { signal }), rejects?.version ?? -1)
  }
  return frozen
}

/**
 * A shallow clone of a lake with tables in the recorded versions: writes go to a directory, existing files are read in
 * place. Disposing it leaves the lake open. Exported for tests.
 */
export async function cloneLake(lake: Lake, frozen: FrozenTables, directory: string): Promise<Lake> {
  const upper = await createDirectoryLake(path.join(directory, randomUUID()))
  return createOverlayLake(lake, upper, (each) => isLater(each, frozen))
}

/**
 * The log entries after the frozen version, and the pointer that may name one of them; for a table that did not exist,
 * the whole log.
 */
function isLater(object: string, frozen: FrozenTables): boolean {
  const [folder = '', file] = object.split('/_delta_log/')
  if (file === undefined) return isOfLaterTable(object, frozen)
  const version = frozen.get(folder)
  if (version === undefined) return false
  const [, entry] = /^(\d{20})\./.exec(file) ?? []
  return version < 0 || (entry === undefined ? file === '_last_checkpoint' : Number(entry) > version)
}

function isOfLaterTable(object: string, frozen: FrozenTables): boolean {
  for (let at = object.lastIndexOf('/'); at > 0; at = object.lastIndexOf('/', at - 1)) {
    const version = frozen.get(object.slice(0, at))
    if (version !== undefined) return version < 0
  }
  return false
}
