import type { TaskContext, TaskHandler, TaskOutcome } from '@cinelake/bus'
import type { Load, QualityResult } from '@cinelake/contracts'
import type { Clock, Log } from '@cinelake/core'
import {
  DeltaFileDamagedError,
  type DeltaTable,
  createDeltaTable,
  locateTable,
  tableTakenByOther,
} from '@cinelake/delta'
import { type SqlEngine, type SqlSession, wholeText } from '@cinelake/engine'
import type { Lake } from '@cinelake/lake'
import { type CheckedPipeline, loadPipeline } from '@cinelake/pipeline'
import { identifier, identifiers } from '@cinelake/sql'
import {
  type ListedTable,
  type LoadOptions,
  type LoadOutcome,
  MART,
  type Warehouse,
  type WarehouseRows,
  type WarehouseTable,
  requireOwner,
} from '@cinelake/warehouse'
import { type LoadPlan, isCheaperToChange, planLoad } from './plan-load.ts'
import { schemaFor, servedErrors, servedTable } from './served-table.ts'

export type LoadDeps = {
  readonly lake: Lake
  readonly engine: SqlEngine
  readonly warehouse: Warehouse
  readonly clock: Clock
  readonly log: Log
}

type Work = {
  readonly session: SqlSession
  readonly delta: DeltaTable
  readonly warehouse: Warehouse
  readonly table: WarehouseTable
  readonly version: number
  readonly options: LoadOptions & { readonly signal: AbortSignal }
  readonly progress: TaskContext['progress']
}

/** Copies one version of a refined table into its SQL table, once for all messages of a command. */
export function createLoad({ lake, engine, warehouse, clock, log }: LoadDeps): TaskHandler<'load'> {
  const ownTables = createOwnTables(lake)
  return async (command, { signal, progress }) => {
    const pipeline = await loadPipeline(lake, command.pipeline, { signal })
    const own = await ownTables(pipeline, await warehouse.tables(), signal)
    const table = servedTable(pipeline, command, schemaFor(pipeline, own))
    const quality = leftBehind(table, own)
    const path = await locateTable(lake, pipeline.name, command.table, { signal })
    const delta = createDeltaTable({ lake, path, clock })
    const latest = await delta.snapshot({ signal })
    if (latest === undefined) throw servedErrors.LOADER_TABLE_MISSING(command.table, path)
    const wanted = await delta.snapshot({ version: command.version, id: command.tableId, signal })
    if (wanted === undefined) throw servedErrors.LOADER_TABLE_MISSING(command.table, path)
    const loaded = await warehouse.loaded(table)

    // Differs from the pipeline if another one loaded the table before.
    const loadedBy = own.find(({ schema, name }) => schema === table.schema && name === table.name)?.pipeline
    requireOwner(table, pipeline.name, loaded, loadedBy)
    const isOwn = loaded?.pipeline === undefined || loaded.pipeline === pipeline.name
    const plan: LoadPlan = isOwn ? planLoad(table, wanted, { ...latest, path }, loaded) : { kind: 'replace' }
    if (loaded !== undefined && (plan.kind === 'already-loaded' || plan.kind === 'superseded')) {
      return outcomeOf(command, { version: loaded.version, id: loaded.tableId ?? undefined }, loaded.rowCount, {
        outcome: 'already-loaded',
        rowCount: loaded.rowCount,
        sentRowCount: 0,
        quality,
      })
    }

    await using session = await engine.session()
    const { version, id, rowCount } = wanted
    const basedOn = loaded?.version ?? -1
    const takeOver = loadedBy === undefined ? {} : { takesOverFrom: loadedBy }
    const options = { task: taskKey(command), version, tableId: id, rowCount, basedOn, ...takeOver, signal }
    const work: Work = { session, delta, warehouse, table, version, options, progress }
    const outcome = (plan.kind === 'compare' ? await sendChanges(work, plan.since) : undefined) ?? (await sendAll(work))
    const { outcome: how, sentRowCount } = outcome
    log.info(
      { run: command.run, task: command.task, table: table.name, version, rowCount, sentRowCount, how },
      'table loaded',
    )
    return outcomeOf(command, wanted, rowCount, { ...outcome, quality })
  }
}

/** @returns undefined when all rows have to be sent after all */
async function sendChanges(work: Work, since: number): Promise<LoadOutcome | undefined> {
  const { session, delta, warehouse, table, options } = work
  const changed = await findChanges(session, delta, table, { from: since, to: work.version }, options.signal)
  if (changed === undefined || !isCheaperToChange(changed, options.rowCount ?? 0)) return undefined
  const upserts = stream(work, table.columns, UPSERTS)
  const key = table.primaryKey.flatMap((name) => table.columns.filter((column) => column.name === name))
  const deletes = stream(work, key, DELETES)
  const outcome = await warehouse.applyChanges(table, { upserts, deletes, since }, options)
  return outcome === 'stale' ? undefined : outcome
}

async function sendAll(work: Work): Promise<LoadOutcome> {
  const { session, delta, warehouse, table, version, options } = work
  await using view = await delta.view(session, { version, signal: options.signal })
  if (view === undefined) throw servedErrors.LOADER_TABLE_MISSING(table.name, delta.path)
  const rows = stream(work, table.columns, view.relation)
  return await warehouse.replace(table, rows, options)
}

/** The rows of a relation, counted as they pass. */
async function* stream(
  { session, options, progress }: Work,
  columns: WarehouseTable['columns'],
  relation: string,
): WarehouseRows {
  let rowCount = 0
  for await (const rows of session.stream(selectSql(columns, relation), { signal: options.signal })) {
    yield rows
    rowCount += rows.length
    progress({ rowCount })
  }
}

type Done = LoadOutcome & { readonly quality: readonly QualityResult[] }

function outcomeOf(
  command: Load,
  { version, id }: { readonly version: number; readonly id?: string | undefined },
  rowsIn: number,
  done: Done,
): TaskOutcome {
  return {
    ...(done.quality.length === 0 ? {} : { quality: done.quality }),
    balance: { unit: 'rows', in: rowsIn, out: done.rowCount, rejected: 0, duplicates: 0 },
    output: {
      kind: 'loaded',
      table: command.table,
      version,
      ...(id !== undefined && { id }),
      outcome: done.outcome,
      sentRowCount: done.sentRowCount,
    },
  }
}

/**
 * The mart tables that belong to a pipeline: those that it loaded. For a refined table that several pipelines wrote to,
 * before each pipeline had its own tables, everything that any of them loaded into `mart` belongs to the owner.
 */
function createOwnTables(lake: Lake) {
  // The owner of a table from before that change is final.
  const known = new Map<string, Promise<string | undefined>>()
  const ownerOf = async (loadedBy: string, table: string, signal: AbortSignal) => {
    const key = `${loadedBy}/${table}`
    const found = known.get(key) ?? tableTakenByOther(lake, loadedBy, table, { signal }).then((taken) => taken?.owner)
    known.set(key, found)
    found.catch(() => known.delete(key))
    return (await found) ?? loadedBy
  }
  return async ({ name, serve }: CheckedPipeline, loaded: readonly ListedTable[], signal: AbortSignal) => {
    const own: ListedTable[] = []
    for (const inMart of loaded) {
      const { schema, pipeline } = inMart
      const table = serve.find(({ as }) => as === inMart.name)?.table
      if (pipeline === undefined || (pipeline !== name && table === undefined)) continue
      const owner = schema === MART ? await ownerOf(pipeline, table ?? inMart.name, signal) : pipeline
      if (owner === name) own.push(inMart)
    }
    return own
  }
}

/** Warns of a table that analysts may still read although it is no longer loaded: the schema was changed. */
function leftBehind(
  { schema, name }: WarehouseTable & { readonly schema: string },
  own: readonly ListedTable[],
): QualityResult[] {
  const left = own.filter((table) => table.name === name && table.schema !== schema)
  return left.map((table) => ({
    rule: 'left_in_schema',
    severity: 'warn',
    checked: 1,
    failed: 1,
    detail: `${table.schema}.${name} is loaded no more, since the pipeline's tables go to the schema ${schema}: drop it when it has no readers`,
  }))
}

function taskKey({ run, task, generation }: Load): string {
  return `${run}/${task}/${generation}`
}

/**
 * Fills `UPSERTS` and `DELETES` from the files in which two versions of a refined table differ.
 * @returns rows that changed; undefined where the older version is incomplete after a vacuum, a log clean-up or damage
 */
async function findChanges(
  session: SqlSession,
  delta: DeltaTable,
  table: WarehouseTable,
  between: { readonly from: number; readonly to: number },
  signal: AbortSignal,
): Promise<number | undefined> {
  const changed = await delta.changedFiles(between.from, between.to)
  if (changed === undefined) return undefined
  const removed = new Set(changed.removed.map(({ path }) => path))
  const added = new Set(changed.added.map(({ path }) => path))
  try {
    await using before = await delta.view(session, {
      version: between.from,
      keep: ({ path }) => removed.has(path),
      signal,
    })
    await using after = await delta.view(session, { version: between.to, keep: ({ path }) => added.has(path), signal })
    if (before === undefined || after === undefined) return undefined
    await session.run(compareSql(table, before.relation, after.relation), { signal })
  } catch (error) {
    if (error instanceof DeltaFileDamagedError) return undefined
    throw error
  }
  const [counted] = await session.rows<{ count: number }>(COUNT_CHANGES, { signal })
  return counted?.count
}

/** Temporary tables of the session: rows that are new or differ, and keys that were deleted. */
const UPSERTS = '_load_upserts'
const DELETES = '_load_deletes'

/** An unchanged row may have moved from a removed file (`before`) to an added one (`after`). */
function compareSql(table: WarehouseTable, before: string, after: string): string {
  const columns = table.columns.map(({ name }) => name)
  const others = columns.filter((name) => !table.primaryKey.includes(name))
  const key = table.primaryKey.map((name) => `o.${identifier(name)} = n.${identifier(name)}`).join(' AND ')
  const isNew = `o.${identifier(table.primaryKey[0] ?? '')} IS NULL`
  const differs = others.map((name) => `o.${identifier(name)} IS DISTINCT FROM n.${identifier(name)}`)
  return `
CREATE OR REPLACE TEMP TABLE ${UPSERTS} AS
SELECT ${columns.map((name) => `n.${identifier(name)}`).join(', ')}
FROM ${after} AS n LEFT JOIN ${before} AS o ON ${key}
WHERE ${[isNew, ...differs].join(' OR ')};
CREATE OR REPLACE TEMP TABLE ${DELETES} AS
SELECT ${identifiers(table.primaryKey)} FROM ${before} AS o
WHERE NOT EXISTS (SELECT 1 FROM ${after} AS n WHERE ${key});`
}

const COUNT_CHANGES = `SELECT (SELECT count(*) FROM ${UPSERTS}) + (SELECT count(*) FROM ${DELETES}) AS count`

function selectSql(columns: WarehouseTable['columns'], relation: string): string {
  const values = columns.map(({ name, type }) => {
    const value = identifier(name)
    return /^VARCHAR(?!.*\[)/i.test(type) ? `${wholeText(value)} AS ${value}` : value
  })
  return `SELECT ${values.join(', ')} FROM ${relation}`
}
