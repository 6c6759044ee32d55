import type { TaskHandler } from '@cinelake/bus'
import type { Build, QualityResult } from '@cinelake/contracts'
import { balanceHolds, formatBalance, type Clock, type Log } from '@cinelake/core'
import {
  createDeltaTable,
  locateTable,
  reshaped,
  type CommitOptions,
  type CommitResult,
  type DeltaPartition,
  type DeltaSnapshot,
  type DeltaStage,
  type DeltaTable,
} from '@cinelake/delta'
import type { SqlEngine, SqlSession } from '@cinelake/engine'
import type { Lake } from '@cinelake/lake'
import {
  bindWindow,
  fileOfModel,
  firstInnerJoin,
  loadPipeline,
  placeInModel,
  tableOfModel,
  type CheckedModel,
} from '@cinelake/pipeline'
import { checkBuild, rowsBreaking, type BuildChecks } from './checks.ts'
import { BuildBalanceBrokenError, BuildRuleFailedError, ModelUnknownError } from './errors.ts'
import { openInputs } from './inputs.ts'
import { planBuild } from './plan.ts'
import {
  ASIDE,
  checkedQuery,
  emptiedPartitionsQuery,
  failingRowsQuery,
  mayReject,
  NO_REJECTS,
  rejectedQuery,
  warnedRowsQuery,
} from './sql.ts'
import { takeOn, type TakenOn } from '../evolve-table.ts'
import { historyChanges, historyKey, historyQuery } from './history-sql.ts'
import { newestInputs, pinsOf } from './newest-inputs.ts'
import { checkModelSql } from '../own-sql.ts'
import { isOfSql, placeOfRule, withFailingRows } from '../sql-place.ts'
import { warnOfTakenTable } from '../taken-table.ts'
import { isCommitted, readTarget, tableOutput, untouched } from '../target-table.ts'
import { locateInput, withUsedTables } from './used-tables.ts'
import { readRejects, rejectsOutput, writeRejects, type RejectsTable } from '../write-rejects.ts'

type Deps = { readonly lake: Lake; readonly engine: SqlEngine; readonly clock: Clock; readonly log: Log }

/** What one build works with. */
type Work = {
  readonly command: Build
  readonly model: CheckedModel
  readonly table: DeltaTable
  /** What the table takes on of a model that has changed. */
  readonly takenOn: TakenOn
  /** Whether the command's commit is in the table: its rows are counted, and the commit is found. */
  readonly isRepeat: boolean
  /** The table of the rows that it rejects. */
  readonly kept: RejectsTable
  readonly session: SqlSession
  readonly signal: AbortSignal
}

/**
 * Runs one model's SELECT over pinned versions of its inputs and commits the result to its refined table, once per task
 * and generation. The result is computed once, into files in the layout of the table: memory does not grow with it, it is
 * counted and checked as a whole before anything of it is published, and then nothing is written again. Rejects are committed
 * before the table: a process that dies between the two does both again, and the first finds that it is there.
 */
export function createBuild({ lake, engine, clock, log }: Deps): TaskHandler<'build'> {
  return async (given, { signal, progress }) => {
    const pipeline = await loadPipeline(lake, given.pipeline, { signal })
    const model = pipeline.models.find(({ name }) => name === given.model)
    if (model === undefined) throw new ModelUnknownError(pipeline.name, given.model)
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
    await using made = await make(work, { lake, clock })
    const { staged, checks } = made
    progress({ rowCount: checks.balance.in })
    const query = unionOf([...rejectedOf(model, staged), ...warnedOf(model, made)])
    // Rejects of a try that knew less are not those of this one.
    const edition = command === asked ? {} : { edition: pinsOf(command) }
    const rejected = { query: query ?? NO_REJECTS, hasRows: query !== undefined }
    const rejects = await writeRejects(rejected, { ...command, ...edition }, kept, { session, signal })
    const { txn, basedOn } = plan
    const { evolve } = takenOn
    const configuration = { ...plan.configuration, ...takenOn.configuration }
    const options = { txn, basedOn, ...life, configuration, evolve, partitionBy: model.partitionBy, signal }
    const done = await COMMITS[model.materialization](work, staged, options)
    const { version, outcome } = done
    log.info({ task: command.task, table: model.name, version, outcome, rowCount: checks.balance.out }, 'model built')
    const quality = [...checks.quality, ...taken, ...target.quality]
    return { ...checks, quality, output: tableOutput(model.name, done, command, rejects) }
  }
}

/** A command whose commit is in the table already is repeated as it is. */
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

type Made = AsyncDisposable & { readonly staged: DeltaStage; readonly checks: BuildChecks }

/** Computes the result and checks it. */
async function make(work: Work, deps: Pick<Deps, 'lake' | 'clock'>): Promise<Made> {
  try {
    return await makeResult(work, deps)
  } catch (error) {
    throw inModel(error, work)
  }
}

/** An error of the engine with its place in the model's file: the SQL around the model's is nothing that a person wrote. */
function inModel(error: unknown, { model, command }: Work): unknown {
  if (!isOfSql(error)) return error
  const offset = error.offsetIn(bindWindow(model.sql, command.window))
  if (offset !== undefined) return error.placed(placeInModel(model, command.window, offset))
  const file = fileOfModel(model)
  return error.placed(placeOfRule(error, model, file) ?? file)
}

async function makeResult(work: Work, { lake, clock }: Pick<Deps, 'lake' | 'clock'>): Promise<Made> {
  const { command, model, session, signal } = work
  await checkModelSql(session, model, command.window)
  await using _inputs = await openInputs(command, model, { lake, clock, session, signal })
  const sql = bindWindow(model.sql, command.window)
  try {
    return await computeResult(sql, work)
  } catch (error) {
    throw await withFailingRows(error, sql, session)
  }
}

/** @param sql of the model, with the window put in; its inputs are open */
async function computeResult(sql: string, { command, model, table, kept, session, signal }: Work): Promise<Made> {
  const hasReject = (await session.describe(sql)).some(({ name }) => name.toLowerCase() === '_reject')
  await using opening = new AsyncDisposableStack()
  const staged = opening.use(
    await table.stage(session, checkedQuery(model, sql, hasReject), {
      partitionBy: isTakenAsItIs(model) ? model.partitionBy : [],
      ...(mayReject(model, hasReject) && { aside: ASIDE }),
      signal,
    }),
  )
  const rowsIn = model.rowsIn === undefined ? undefined : await countRowsIn(model.rowsIn, command, session, signal)
  const checking = { session, staged, window: command.window.label, signal }
  const joined = rowsIn === undefined ? await countJoined(sql, session, signal) : []
  const checks = await checkBuild(model, rowsIn, checking).catch(async (error: unknown) => {
    if (error instanceof BuildRuleFailedError)
      await keepFailing(error, { command, model, staged, kept, session, signal })
    throw error
  })
  if (!balanceHolds(checks.balance)) throw new BuildBalanceBrokenError(model.name, formatBalance(checks.balance))
  const owned = opening.move()
  const quality = [...checks.quality, ...joined]
  return { staged, checks: { ...checks, quality }, [Symbol.asyncDispose]: async () => await owned.disposeAsync() }
}

/** Where a model rejects nothing, its rows have no column that says why. */
function rejectedOf(model: CheckedModel, { asideRowCount, aside }: DeltaStage): string[] {
  return asideRowCount === 0 ? [] : [rejectedQuery(model, aside)]
}

/** Rows of the table that break a rule of severity `warn`, to be looked at. */
function warnedOf(model: CheckedModel, { staged, checks }: Made): string[] {
  const broken = new Set(checks.quality.filter(({ failed }) => failed > 0).map(({ rule }) => rule))
  return model.rowRules
    .filter(({ name, severity }) => severity === 'warn' && broken.has(name))
    .map((rule) => warnedRowsQuery(model, rule, staged.relation))
}

/** Undefined for no queries. */
function unionOf(queries: readonly string[]): string | undefined {
  return queries.length === 0 ? undefined : queries.map((each) => `(${each})`).join(' UNION ALL ')
}

/** The rows that made a build fail are rejects, beside those that it would have had: they are what has to be looked at. */
async function keepFailing(
  { rule }: BuildRuleFailedError,
  {
    command,
    model,
    staged,
    kept,
    session,
    signal,
  }: Omit<Work, 'table' | 'takenOn' | 'isRepeat'> & { readonly staged: DeltaStage },
): Promise<void> {
  const by = rowsBreaking(model, rule)
  const query = unionOf([
    ...rejectedOf(model, staged),
    ...(by === undefined ? [] : [failingRowsQuery(model, by, staged.relation)]),
  ])
  if (query === undefined) return
  const rejects = { query, hasRows: true }
  const edition = `failed/${pinsOf(command)}`
  await writeRejects(rejects, { ...command, edition }, kept, { session, signal })
}

/** Whether the rows of the result are those of the files that the commit adds. */
function isTakenAsItIs({ materialization }: CheckedModel): boolean {
  return materialization === 'table' || materialization === 'partitions'
}

/**
 * How many rows an inner join leaves out, where `rowsIn` does not say how many have to come out. A model may be meant so:
 * this is for information, and no row breaks it.
 */
async function countJoined(sql: string, session: SqlSession, signal: AbortSignal): Promise<QualityResult[]> {
  const join = firstInnerJoin(sql)
  if (join === undefined) return []
  try {
    const [found] = await session.rows<{ rows: number; joined: number }>(join.countQuery, { signal })
    if (found === undefined || found.rows === found.joined) return []
    const detail = `${found.joined} of ${found.rows} rows of ${join.left} have one of ${join.right}; the inner join leaves the others out`
    return [{ rule: 'rows_joined', severity: 'warn', checked: found.rows, failed: 0, detail }]
  } catch (error) {
    // The SELECT itself runs; what was taken out of it may not, and nothing depends on that.
    if (isOfSql(error)) return []
    throw error
  }
}

async function countRowsIn(
  query: string,
  { window }: Build,
  session: SqlSession,
  signal: AbortSignal,
): Promise<number> {
  const [row = {}] = await session.rows(bindWindow(query, window), { signal })
  return Number(Object.values(row)[0] ?? 0)
}

/** Whether the table is as the model would make it, so that rows without a change can stay in their files. */
function hasLayoutOf({ columns, partitionBy }: DeltaSnapshot, model: CheckedModel): boolean {
  const typesOf = (all: readonly { readonly name: string; readonly type: string }[]) =>
    JSON.stringify(all.map(({ name, type }) => [name, type]))
  return (
    typesOf(columns) === typesOf(tableOfModel(model).columns) && partitionBy.join('\n') === model.partitionBy.join('\n')
  )
}

type Commit = (
  work: Work,
  staged: DeltaStage,
  options: CommitOptions & { readonly basedOn: number },
) => Promise<CommitResult>

const COMMITS: Readonly<Record<CheckedModel['materialization'], Commit>> = {
  // A table that depends on the window has to note it, though its rows be the same.
  table: async ({ model, table, session }, staged, options) =>
    await table.overwrite(session, staged, { ...options, unlessSame: !model.usesWindow }),

  merge: async ({ model, table, session }, staged, options) =>
    await table.merge(session, `FROM ${staged.relation}`, { ...options, key: model.key }),

  async partitions({ model, table, session, signal }, staged, options) {
    const partitions =
      staged.asideRowCount === 0
        ? []
        : await session.rows<DeltaPartition>(emptiedPartitionsQuery(model, staged), { signal })
    return await table.overwritePartitions(session, staged, { ...options, partitions, unlessSame: true })
  },

  async history({ command, model, table, takenOn, isRepeat, session, signal }, staged, options) {
    const { basedOn } = options
    await using view = basedOn < 0 || isRepeat ? undefined : await table.view(session, { version: basedOn, signal })
    const { columns } = tableOfModel(model)
    if (view !== undefined && hasLayoutOf(view.snapshot, model)) {
      const changes = historyChanges(model, {
        current: view.relation,
        state: `FROM ${staged.relation}`,
        windowStart: command.window.start,
      })
      return await table.merge(session, changes.changed, {
        ...options,
        key: historyKey(model),
        deletions: changes.gone,
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
      state: `FROM ${staged.relation}`,
      windowStart: command.window.start,
    })
    return await table.overwrite(session, query, options)
  },
}
