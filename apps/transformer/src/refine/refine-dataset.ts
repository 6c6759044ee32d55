import type { TaskHandler } from '@cinelake/bus'
import type { Manifest, Refine } from '@cinelake/contracts'
import type { Clock, Log, Window } from '@cinelake/core'
import { type CommitResult, type DeltaTable, createDeltaTable, locateTable, reshaped } from '@cinelake/delta'
import type { SqlEngine, SqlSession } from '@cinelake/engine'
import { type Lake, type ScratchSpace, readManifest } from '@cinelake/lake'
import {
  type CheckedDataset,
  type CheckedPipeline,
  WINDOW_COLUMN as WINDOW,
  fileOfContract,
  loadPipeline,
  tableOfDataset,
} from '@cinelake/pipeline'
import { identifier, identifiers, literal } from '@cinelake/sql'
import type { WarehouseLimits } from '@cinelake/warehouse'
import { type TakenOn, takeOn } from '../evolve-table.ts'
import { checkRuleSql, isOfSql, placeOfRule } from '../pipeline-sql.ts'
import { martRules } from '../mart-rules.ts'
import { partitionRules } from '../partition-rules.ts'
import { DEFAULT_LIMITS, type UnpackLimits } from '../read-csv/unpack-settings.ts'
import { warnOfTakenTable, type TargetTable, isCommitted, readTarget, tableOutput, untouched } from '../target-table.ts'
import { type RejectsOf, readRejects, rejectsOutput, writeRejects } from '../write-rejects.ts'
import { checkRefined } from './checks.ts'
import { dedupe } from './dedupe.ts'
import { deletedKeysQuery } from './deletions.ts'
import { RuleFailedError, TooManyRejectedError, refineErrors } from './errors.ts'
import { type RefinePlan, planRefine } from './plan.ts'
import { FAILED_REJECTS_QUERY, REJECTS_QUERY, beginRejects } from './rejects.ts'
import { columnsToKeep } from './missing-columns.ts'
import { checkKeysAreNew } from './repeated-keys.ts'
import { WINDOW_COLUMN, mergeResolution } from './row-order.ts'
import { stageFiles } from './stage.ts'

export type RefineDeps = {
  readonly lake: Lake
  readonly engine: SqlEngine
  readonly clock: Clock
  readonly log: Log
  /** Folder for unpacked and converted files. Default: with the lake's unfinished files. */
  readonly scratch?: Pick<ScratchSpace, 'directory'>
  readonly limits?: UnpackLimits
  /** What the warehouse holds that served tables go to. Default: every value. */
  readonly mart?: WarehouseLimits
}

/**
 * Makes a typed, checked, deduplicated Delta table from a landing, with the same effect however often it is called.
 * Every row of the landed files is accounted for before any commit; then the rejects are committed, then the table. If
 * the process dies in between, all of it is done again, and existing commits are found. Where a rule of severity `fail`
 * is broken, or too many rows are rejected, only the rejects are committed, including the rows that broke it, for
 * inspection.
 */
export function createRefine({ lake, engine, clock, log, ...room }: RefineDeps): TaskHandler<'refine'> {
  return async (given, context) => {
    const { signal } = context
    const pipeline = await loadPipeline(lake, given.pipeline, { signal })
    const manifest = await readManifest(lake, given.manifest, { signal })
    if (manifest === undefined) {
      throw refineErrors.RAW_LOST(given.dataset, given.window.label, given.manifest, 'the manifest of what landed')
    }
    const written = targetOf(pipeline, given.dataset, manifest, given.manifest)
    const path = await locateTable(lake, pipeline.name, written.name, { signal })
    const table = createDeltaTable({ lake, path, clock })
    const target = await readTarget(table, given, { lake, signal })
    const { command, snapshot, life } = target
    const kept = await readRejects(command, written.name, { lake, clock, signal })
    await using session = await engine.session()
    const isDeclared = pipeline.datasets.some(({ name }) => name === written.name)
    // A database table that no dataset declares has no contract that could configure this.
    const wanted = { ...tableOfDataset(written), ...(isDeclared ? {} : { isDerived: true }) }
    const isRepeat = snapshot !== undefined && isCommitted(command, snapshot)
    const takenOn = await takeOn(wanted, isRepeat ? undefined : snapshot, { table, session, signal })
    const plan = planRefine(command, written, manifest, snapshot, takenOn)
    if (plan.action !== 'refine') {
      log.info({ task: command.task, table: written.name, outcome: plan.action }, 'nothing to refine')
      return untouched(written.name, plan.snapshot, plan.action, command, rejectsOutput(kept.before, command))
    }
    // Not part of what the plan is based on: another warehouse is no reason to refine again.
    const dataset = heldByTables(written, pipeline, room.mart)
    const taken = await warnOfTakenTable(lake, command, dataset.name, snapshot, signal)
    await checkRuleSql(session, dataset.contract)
    await using scratch = await lake.scratch()
    const { window } = command
    await using texts = await (room.scratch?.directory() ?? lake.scratch())
    const { limits = DEFAULT_LIMITS } = room
    const places = { directory: scratch.directory, textDirectory: texts.directory, limits }
    const deps = { lake, engine, session, window, ...places, signal, progress: context.progress }
    await beginRejects(deps)
    const inContract = (error: unknown): never => {
      throw placedInContract(error, dataset)
    }
    const files = await stageFiles(manifest, dataset, deps).catch(inContract)
    const keepRejects = async (query: string, hasRows: boolean, of: RejectsOf) =>
      await writeRejects({ query, hasRows }, of, kept, { session, signal })
    const hasRejected = files.some(({ rejectedCount }) => rejectedCount > 0)
    const hasWarned = files.some(({ warnedCount }) => warnedCount > 0)
    const rows = await dedupe(files, dataset, deps)
    const checks = await checkRefined({ dataset, files, rows }, deps).catch(async (error: unknown) => {
      if (error instanceof RuleFailedError || error instanceof TooManyRejectedError)
        await keepRejects(FAILED_REJECTS_QUERY, hasRejected, { ...command, edition: 'failed' })
      return inContract(error)
    })
    let unsaid: readonly string[] = []
    if (snapshot === undefined || !isCommitted(command, snapshot)) {
      unsaid = await columnsToKeep({ dataset, manifest, files, window }, { table, snapshot, session, signal })
      const work = { command, pipeline, dataset, manifest, files, rows }
      await checkKeysAreNew(work, { lake, table, snapshot, session, signal })
    }
    const rejects = await keepRejects(REJECTS_QUERY, hasRejected || hasWarned, command)
    const deletions = deletedKeysQuery(files, dataset)
    const commit = { plan, dataset, window: command.window, table, life, takenOn, deletions, unsaid, session, signal }
    const done = await commitRows(rows.query, commit)
    const { version, outcome } = done
    log.info({ task: command.task, table: dataset.name, version, outcome, ...checks.balance }, 'dataset refined')
    const quality = [...checks.quality, ...taken, ...target.quality]
    return { ...checks, quality, output: tableOutput(dataset.name, done, command, rejects) }
  }
}

/** A dataset rejects rows that its table cannot hold, and a served one those that the warehouse cannot. */
function heldByTables(
  dataset: CheckedDataset,
  pipeline: CheckedPipeline,
  mart: WarehouseLimits | undefined,
): CheckedDataset {
  const { contract } = dataset
  const rules = [
    ...partitionRules(dataset.partitionBy, contract.columns),
    ...martRules(mart, pipeline, dataset.name, contract.columns),
  ]
  return rules.length === 0
    ? dataset
    : { ...dataset, contract: { ...contract, rowRules: [...contract.rowRules, ...rules] } }
}

/** An error of the engine with its place in the contract: the user did not write the SQL around a rule's. */
function placedInContract(error: unknown, dataset: CheckedDataset): unknown {
  if (!isOfSql(error)) return error
  const place = placeOfRule(error, dataset.contract, fileOfContract(dataset))
  return place === undefined ? error : error.placed(place)
}

type Commit = {
  readonly plan: Extract<RefinePlan, { action: 'refine' }>
  readonly dataset: CheckedDataset
  readonly window: Window
  readonly table: DeltaTable
  /** Schema changes that the table takes on from a changed contract. */
  readonly takenOn: TakenOn
  readonly life: TargetTable<Refine>['life']
  /** A query for the keys of deleted rows; the same commit removes them from the table. */
  readonly deletions: string | undefined
  /** Columns that the rows say nothing of: merged rows keep their values. */
  readonly unsaid: readonly string[]
  readonly session: SqlSession
  readonly signal: AbortSignal
}

/** Publishes the task's rows. @param rows a query for them: the contract's columns */
async function commitRows(rows: string, commit: Commit): Promise<CommitResult> {
  const { plan, dataset, table, life, session, signal, takenOn, deletions } = commit
  const { txn } = plan
  const { evolve } = takenOn
  const basedOn = plan.basedOn ?? (takenOn.isChanged ? takenOn.basedOn : undefined)
  const options = {
    txn,
    ...life,
    configuration: { ...plan.configuration, ...takenOn.configuration },
    evolve,
    partitionBy: dataset.partitionBy,
    signal,
    ...(basedOn === undefined ? {} : { basedOn }),
  }
  const query = withWindow(rows, commit)
  if (plan.commit === 'overwrite') return await table.overwrite(session, query, options)
  if (plan.commit === 'append') return await table.append(session, withFormerColumns(query, commit), options)
  if (plan.commit === 'merge') {
    const { partitionBy, contract } = dataset
    await using staged = await table.stage(session, withFormerColumns(query, commit), { partitionBy, signal })
    return await table.merge(session, staged, {
      ...options,
      key: contract.primaryKey,
      resolve: mergeResolution(dataset, commit.unsaid),
      ...(deletions !== undefined && { deletions }),
    })
  }
  await using view = await table.view(session, {
    signal,
    ...(basedOn === undefined || basedOn < 0 ? {} : { version: basedOn }),
  })
  if (view === undefined) return await table.overwrite(session, query, options)
  const target = [...(await session.describe(query)), ...takenOn.former]
  const before = reshaped(view.relation, view.snapshot.columns, target, evolve)
  const others = `SELECT * FROM ${before} AS before WHERE ${WINDOW_COLUMN} <> ${windowStart(commit.window)}`
  return await table.overwrite(session, `${others} UNION ALL BY NAME ${query}`, options)
}

function withWindow(rows: string, { dataset, window }: Commit): string {
  const names = identifiers(dataset.contract.columns.map(({ name }) => name))
  return `SELECT ${names}, ${windowStart(window)} AS ${WINDOW_COLUMN} FROM (${rows})`
}

function windowStart({ start }: Window): string {
  return `TIMESTAMPTZ ${literal(start)}`
}

/** Columns that the table has kept from an earlier contract are empty in new rows. */
function withFormerColumns(query: string, { takenOn: { former } }: Commit): string {
  if (former.length === 0) return query
  return `SELECT *, ${former.map(({ name, type }) => `CAST(NULL AS ${type}) AS ${identifier(name)}`).join(', ')} FROM (${query})`
}

/** Types that databases land and tables do not have, with the type that holds their values without loss. */
const INSTEAD: Readonly<Record<string, string>> = {
  TINYINT: 'INTEGER',
  SMALLINT: 'INTEGER',
  UTINYINT: 'INTEGER',
  USMALLINT: 'INTEGER',
  UINTEGER: 'BIGINT',
  UBIGINT: 'DECIMAL(20,0)',
  HUGEINT: 'DECIMAL(38,0)',
  UHUGEINT: 'DECIMAL(38,0)',
  FLOAT: 'DOUBLE',
  TIMESTAMP: 'TIMESTAMP WITH TIME ZONE',
  TIMESTAMP_S: 'TIMESTAMP WITH TIME ZONE',
  TIMESTAMP_MS: 'TIMESTAMP WITH TIME ZONE',
  TIMESTAMP_NS: 'TIMESTAMP WITH TIME ZONE',
  'TIME WITH TIME ZONE': 'VARCHAR',
  INTERVAL: 'VARCHAR',
  BIT: 'VARCHAR',
  UUID: 'VARCHAR',
  JSON: 'VARCHAR',
}

/**
 * The target of a refine: a dataset of the pipeline, or, for a database table that no dataset declares, the table as it
 * is, of which each landing is complete.
 * @throws {REFINE_INPUT_INVALID} terminal: no such dataset, and no landing that shows its columns
 */
function targetOf(pipeline: CheckedPipeline, name: string, manifest: Manifest, path: string): CheckedDataset {
  const declared = pipeline.datasets.find((dataset) => dataset.name === name)
  if (declared !== undefined) return declared
  if (manifest.columns === undefined || manifest.columns.length === 0) {
    throw refineErrors.REFINE_INPUT_INVALID(
      name,
      path,
      `a dataset of the pipeline or a landed table`,
      `manifest of ${manifest.source}/${manifest.dataset} without columns`,
      manifest.window.label,
    )
  }
  const names = plainNames(manifest.columns.map((column) => column.name))
  const keyed = new Set(manifest.primaryKey)
  const columns = manifest.columns.map(({ name: landed, type }, index) => ({
    name: names[index] ?? landed,
    type: refinedType(type),
    required: keyed.has(landed),
    reading: { from: [landed] },
  }))
  const primaryKey = (manifest.primaryKey ?? []).map(
    (landed) => columns.find(({ reading }) => reading.from.includes(landed))?.name ?? landed,
  )
  return {
    name,
    source: manifest.source,
    sourceDataset: manifest.dataset,
    contract: {
      id: `${manifest.source}/${manifest.dataset}`,
      version: '0',
      columns,
      primaryKey,
      rowRules: [],
      tableRules: [],
    },
    reading: { header: true, nulls: [] },
    mode: 'snapshot',
    newestBy: [],
    duplicates: primaryKey.length === 0 ? 'keep' : 'newest',
    partitionBy: [],
  }
}

/** Valid column names for a table: databases allow spaces and brackets, and two names that differ only in case. */
function plainNames(names: readonly string[]): string[] {
  const used = new Set<string>([WINDOW.name])
  return names.map((name) => {
    const plain = name.replaceAll(/[\s,;{}()=]/g, '_')
    let unique = plain
    for (let number = 2; used.has(unique.toLowerCase()); number++) unique = `${plain}_${number}`
    used.add(unique.toLowerCase())
    return unique
  })
}

function refinedType(type: string): string {
  if (type.endsWith('[]')) return `${refinedType(type.slice(0, -2))}[]`
  return type.startsWith('ENUM(') ? 'VARCHAR' : (INSTEAD[type] ?? type)
}
