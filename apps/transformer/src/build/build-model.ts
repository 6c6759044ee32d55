import type { TaskHandler } from '@cinelake/bus'
import { usedVersionPath, type Build, type TableVersion } from '@cinelake/contracts'
import { balanceErrors, balanceHolds, type Clock, type Log } from '@cinelake/core'
import {
  createDeltaTable,
  locateTable,
  reshaped,
  type CommitOptions,
  type CommitResult,
  type DeltaSnapshot,
  type DeltaTable,
} from '@cinelake/delta'
import type { ModelResult, ModelRunner, PinnedTable, RunnableModel, SqlEngine, SqlSession } from '@cinelake/engine'
import type { Lake } from '@cinelake/lake'
import {
  bindWindow,
  fileOfModel,
  loadPipeline,
  placeInModel,
  tableOfModel,
  type CheckedModel,
} from '@cinelake/pipeline'
import type { LimitRule, WarehouseLimits } from '@cinelake/warehouse'
import { z } from 'zod'
import { takeOn, type TakenOn } from '../evolve-table.ts'
import { martRules } from '../mart-rules.ts'
import { partitionRules } from '../partition-rules.ts'
import { isOfSql, placeOfRule } from '../pipeline-sql.ts'
import { warnOfTakenTable, isCommitted, readTarget, tableOutput, untouched } from '../target-table.ts'
import { readRejects, rejectsOutput, writeRejects, type RejectsTable } from '../write-rejects.ts'
import { brokenRule, rowsBreaking } from './checks.ts'
import { createDuckDbRunner } from './duckdb-runner.ts'
import { buildErrors, BuildRuleFailedError } from './errors.ts'
import { historyChanges, historyKey, historyQuery, madeRowsQuery, ownColumns } from './history-sql.ts'
import { newestInputs, pinsOf, planBuild } from './plan.ts'
import { NO_REJECTS } from './sql.ts'

type Deps = {
  readonly lake: Lake
  /** Makes the commits, whichever runner runs the models. */
  readonly engine: SqlEngine
  readonly clock: Clock
  readonly log: Log
  /** Default: the engine. */
  readonly runner?: ModelRunner
  /** What the warehouse holds that served tables go to. Default: every value. */
  readonly mart?: WarehouseLimits
}

/** The tools of one build. */
type Work = {
  readonly command: Build
  readonly model: CheckedModel
  readonly table: DeltaTable
  /** Schema changes that the table takes on from a changed model. */
  readonly takenOn: TakenOn
  /**
   * Whether the table already has the command's commit: the rows are still counted, and the commit finds itself there.
   */
  readonly isRepeat: boolean
  /** The table of the rejected rows. */
  readonly kept: RejectsTable
  readonly session: SqlSession
  readonly signal: AbortSignal
}

/**
 * Runs one model's SELECT over pinned versions of its inputs and commits the result to its refined table, once per task
 * and generation. The runner stages the result in files in the layout of the table: it is counted and checked as a
 * whole before any of it is published, and then nothing is written twice. Rejects are committed before the table: if
 * the process dies between the two, both are done again, and the first finds its commit there.
 */
export function createBuild({
  lake,
  engine,
  clock,
  log,
  runner = createDuckDbRunner({ lake, engine, clock }),
  mart,
}: Deps): TaskHandler<'build'> {
  return async (given, { signal, progress }) => {
    const pipeline = await loadPipeline(lake, given.pipeline, { signal })
    const model = pipeline.models.find(({ name }) => name === given.model)
    if (model === undefined) throw buildErrors.BUILD_MODEL_UNKNOWN(pipeline.name, given.model)
    const path = await locateTable(lake, pipeline.name, model.name, { signal })
    const table = createDeltaTable({ lake, path, clock })
    const target = await readTarget(table, given, { lake, signal })
    const { snapshot, life } = target
    const kept = await readRejects(target.command, model.name, { lake, clock, signal })
    const asked = await withUsedTables(target.command, model, { lake, clock, signal })
    const command = await withNewestInputs(asked, snapshot, { lake, clock, signal })
    const plan = planBuild(command, model, snapshot)
    if (plan.action !== 'build') {
      log.info({ task: command.task, outcome: plan.action }, 'nothing to build')
      return untouched(model.name, plan.snapshot, plan.action, command, rejectsOutput(kept.before, command))
    }
    const taken = await warnOfTakenTable(lake, command, model.name, snapshot, signal)
    await using session = await engine.session()
    const isRepeat = snapshot !== undefined && isCommitted(command, snapshot)
    const takenOn = await takeOn(tableOfModel(model), isRepeat ? undefined : snapshot, { table, session, signal })
    const work: Work = { command, model, table, takenOn, isRepeat, kept, session, signal }
    const run = await runOf(work, lake, [
      ...partitionRules(model.partitionBy, ownColumns(model)),
      ...martRules(mart, pipeline, model.name, ownColumns(model)),
    ])
    // A table that starts over may still have files of its former table id.
    if (runner.stagesInLake && snapshot === undefined && command.restart !== true) await table.begin({ signal })
    await using result = await runner.run(run, { signal }).catch((error: unknown) => {
      throw inModel(error, run.model, work)
    })
    // Rejects of an attempt with older inputs are not those of this one.
    const edition = command === asked ? {} : { edition: pinsOf(command) }
    await requireSound(result, run.model, work)
    progress({ rowCount: result.balance.in })
    const rejects = await keepRejects(result, work, edition)
    const { txn, basedOn } = plan
    const { evolve } = takenOn
    const configuration = { ...plan.configuration, ...takenOn.configuration }
    const options = { txn, basedOn, ...life, configuration, evolve, partitionBy: model.partitionBy, signal }
    const done = await COMMITS[model.materialization](work, result, options)
    const { version, outcome } = done
    const { balance, rejectCounts } = result
    log.info({ task: command.task, table: model.name, version, outcome, rowCount: balance.out }, 'model built')
    const quality = [...result.quality, ...taken, ...target.quality]
    return { balance, rejects: rejectCounts, quality, output: tableOutput(model.name, done, command, rejects) }
  }
}

/** A command whose commit is already in the table is repeated unchanged. */
async function withNewestInputs(
  command: Build,
  snapshot: DeltaSnapshot | undefined,
  { lake, clock, signal }: Pick<Deps, 'lake' | 'clock'> & Pick<Work, 'signal'>,
): Promise<Build> {
  if (snapshot !== undefined && isCommitted(command, snapshot)) return command
  const inputs = await newestInputs(command.inputs, snapshot, async (name) => {
    const path = await locateInput(lake, command.pipeline.name, name, { signal })
    return await createDeltaTable({ lake, path, clock }).snapshot({ signal })
  })
  return inputs === command.inputs ? command : { ...command, inputs }
}

/** The runner's task: lake paths, versions, and SQL with the window filled in. */
async function runOf({ command, model, table, signal }: Work, lake: Lake, rules: readonly LimitRule[]) {
  const { pipeline, window } = command
  const inputs: PinnedTable[] = []
  for (const name of model.inputs) {
    const pinned = command.inputs.find((input) => input.table === name)
    if (pinned === undefined) throw buildErrors.BUILD_INPUT_MISSING(model.name, name, null)
    const { version, id } = pinned
    const path = await locateInput(lake, pipeline.name, name, { signal })
    inputs.push({ name, path, version, ...(id !== undefined && { id }) })
  }
  const runnable: RunnableModel = {
    ...model,
    sql: bindWindow(model.sql, window),
    rowsIn: model.rowsIn === undefined ? undefined : bindWindow(model.rowsIn, window),
    columns: ownColumns(model),
    rowRules: [...model.rowRules, ...rules],
  }
  // A history model's rows are transformed before they are written to a file of the table.
  const partitionBy = model.materialization === 'history' ? [] : model.partitionBy
  return { model: runnable, inputs, table: { path: table.path, partitionBy } }
}

/** An error of the engine with its place in the model's file: the user did not write the SQL around the model's. */
function inModel(error: unknown, { sql }: RunnableModel, { model, command }: Work): unknown {
  if (!isOfSql(error)) return error
  const offset = error.offsetIn(sql)
  if (offset !== undefined) return error.placed(placeInModel(model, command.window, offset))
  const file = fileOfModel(model)
  return error.placed(placeOfRule(error, model, file) ?? file)
}

/**
 * Rejects a result that breaks a rule of severity `fail`, or whose rows are unaccounted for. The rows that break it are
 * kept as rejects, together with those that the model rejects, for inspection.
 * @throws {BuildRuleFailedError} terminal @throws {BALANCE_BROKEN} terminal
 */
async function requireSound(result: ModelResult, model: RunnableModel, work: Work): Promise<void> {
  const { quality, balance } = result
  const broken = brokenRule(quality)
  if (broken !== undefined) {
    const { rule, failed, detail = `${failed} rows break it` } = broken
    const seenIn = rowsBreaking(model, rule) === undefined ? {} : { seenIn: work.command.window.label }
    if (result.rejects !== undefined) await keepRejects(result, work, { edition: `failed/${pinsOf(work.command)}` })
    throw new BuildRuleFailedError({ model: model.name, rule, found: detail, ...seenIn }, quality)
  }
  if (!balanceHolds(balance))
    throw balanceErrors.BALANCE_BROKEN(
      { model: model.name },
      balance,
      "look for a join that drops or multiplies rows, or correct the model's rowsIn",
    )
}

async function keepRejects(
  { rejects }: ModelResult,
  { command, table, kept, session, signal }: Work,
  edition: { readonly edition?: string },
) {
  const of = { ...command, ...edition }
  if (rejects === undefined)
    return await writeRejects({ query: NO_REJECTS, hasRows: false }, of, kept, { session, signal })
  await using rows = await table.read(rejects, { signal })
  return await writeRejects({ query: `FROM ${rows.relation}`, hasRows: true }, of, kept, { session, signal })
}

/**
 * Whether the table equals the result of the model apart from changed rows, so that unchanged rows can stay in their
 * files.
 */
function hasLayoutOf({ columns, partitionBy }: DeltaSnapshot, model: CheckedModel): boolean {
  const typesOf = (all: readonly { readonly name: string; readonly type: string }[]) =>
    JSON.stringify(all.map(({ name, type }) => [name, type]))
  return (
    typesOf(columns) === typesOf(tableOfModel(model).columns) && partitionBy.join('\n') === model.partitionBy.join('\n')
  )
}

type Commit = (
  work: Work,
  result: ModelResult,
  options: CommitOptions & { readonly basedOn: number },
) => Promise<CommitResult>

const COMMITS: Readonly<Record<CheckedModel['materialization'], Commit>> = {
  // A table that depends on the window has to record it, even if its rows are the same.
  table: async ({ model, table, session }, { rows }, options) =>
    await table.overwrite(session, rows, { ...options, unlessSame: !model.usesWindow }),

  merge: async ({ model, table, session }, { rows }, options) =>
    await table.merge(session, rows, { ...options, key: model.key }),

  partitions: async ({ table, session }, { rows, emptiedPartitions: partitions }, options) =>
    await table.overwritePartitions(session, rows, { ...options, partitions, unlessSame: true }),

  async history({ command, model, table, takenOn, isRepeat, session, signal }, { rows }, options) {
    const { basedOn } = options
    await using state = await table.read(rows, { signal })
    await using view = basedOn < 0 || isRepeat ? undefined : await table.view(session, { version: basedOn, signal })
    const { columns } = tableOfModel(model)
    if (view !== undefined && hasLayoutOf(view.snapshot, model)) {
      const { relation: current } = view
      const { start: windowStart } = command.window
      const { changed, gone } = historyChanges(model, { current, state: `FROM ${state.relation}`, windowStart })
      const made = await session.rows(madeRowsQuery(current, windowStart), { signal })
      return await table.merge(session, changed, {
        ...options,
        key: historyKey(model),
        ...(made.length > 0 && { deletions: gone }),
      })
    }
    const query = historyQuery(model, {
      current:
        view === undefined
          ? undefined
          : {
              relation: reshaped(view.relation, view.snapshot.columns, columns, takenOn.evolve),
              columns: columns.map(({ name }) => name),
            },
      state: `FROM ${state.relation}`,
      windowStart: command.window.start,
    })
    return await table.overwrite(session, query, options)
  },
}

type UsedTablesDeps = { readonly lake: Lake; readonly clock: Clock; readonly signal: AbortSignal }

/** The version of another pipeline's table that a window reads. */
const UsedVersion = z.object({ table: z.string(), version: z.int().min(0), id: z.string().optional() })

/** Lake path of a table that a model names: one of its own pipeline, or `pipeline.table` of another. */
async function locateInput(
  lake: Lake,
  pipeline: string,
  name: string,
  options: { readonly signal: AbortSignal },
): Promise<string> {
  const dot = name.indexOf('.')
  return dot < 0
    ? await locateTable(lake, pipeline, name, options)
    : await locateTable(lake, name.slice(0, dot), name.slice(dot + 1), options)
}

/**
 * Pins the versions of other pipelines' tables that the model reads. Each is the newest version when the first build of
 * the window looks; the result is stored in the lake, so that every further attempt, and the other models of the
 * window, read the same versions.
 * @throws {BUILD_USED_TABLE_MISSING} transient: the other pipeline has not made it yet
 */
async function withUsedTables(command: Build, model: CheckedModel, deps: UsedTablesDeps): Promise<Build> {
  const used = model.inputs.filter((name) => name.includes('.'))
  if (used.length === 0) return command
  const pinned: TableVersion[] = []
  for (const table of used) pinned.push(await usedVersion(command, table, deps))
  return { ...command, inputs: [...command.inputs.filter(({ table }) => !used.includes(table)), ...pinned] }
}

async function usedVersion(
  command: Build,
  table: string,
  { lake, clock, signal }: UsedTablesDeps,
): Promise<TableVersion> {
  const { pipeline, window, generation, model } = command
  const path = usedVersionPath(pipeline.name, window.label, table, generation)
  const known = await lake.readText(path, { signal })
  if (known !== undefined) return UsedVersion.parse(JSON.parse(known))
  const at = await locateInput(lake, pipeline.name, table, { signal })
  const snapshot = await createDeltaTable({ lake, path: at, clock }).snapshot({ signal })
  if (snapshot === undefined) throw buildErrors.BUILD_USED_TABLE_MISSING(model, table)
  const found: z.infer<typeof UsedVersion> = { table, version: snapshot.version, id: snapshot.id }
  if ((await lake.putIfAbsent(path, JSON.stringify(found), { signal })) === 'created') return found
  const first = await lake.readText(path, { signal })
  return first === undefined ? found : UsedVersion.parse(JSON.parse(first))
}
