import type { TaskContext, TaskHandler, TaskOutcome } from '@cinelake/bus'
import type { Load } from '@cinelake/contracts'
import type { Clock, Log } from '@cinelake/core'
import { createDeltaTable, type DeltaTable } from '@cinelake/delta'
import type { SqlEngine, SqlSession } from '@cinelake/engine'
import type { Lake } from '@cinelake/lake'
import { loadPipeline } from '@cinelake/pipeline'
import type { LoadOptions, LoadOutcome, Warehouse, WarehouseRows, WarehouseTable } from '@cinelake/warehouse'
import { DELETES, selectSql, UPSERTS } from './changes-sql.ts'
import { findChanges } from './find-changes.ts'
import { isCheaperToChange, planLoad } from './plan-load.ts'
import { RefinedTableMissingError, servedTable } from './served-table.ts'

export type LoadDeps = {
  readonly lake: Lake
  readonly engine: SqlEngine
  readonly warehouse: Warehouse
  readonly clock: Clock
  readonly log: Log
}

/** One load under way: what to copy, and with what. */
type Work = {
  readonly session: SqlSession
  readonly delta: DeltaTable
  readonly warehouse: Warehouse
  readonly table: WarehouseTable
  readonly version: number
  readonly options: LoadOptions & { readonly signal: AbortSignal }
  readonly progress: TaskContext['progress']
}

/** Copies one version of a refined table into its SQL table, once whatever the number of deliveries. */
export function createLoad({ lake, engine, warehouse, clock, log }: LoadDeps): TaskHandler<'load'> {
  return async (command, { signal, progress }) => {
    const table = servedTable(await loadPipeline(lake, command.pipeline, { signal }), command)
    const path = `refined/${command.table}`
    const delta = createDeltaTable({ lake, path, clock })
    const latest = await delta.snapshot({ signal })
    if (latest === undefined) throw new RefinedTableMissingError(command.table, path)
    const wanted = await delta.snapshot({ version: command.version, id: command.tableId, signal })
    if (wanted === undefined) throw new RefinedTableMissingError(command.table, path)
    const loaded = await warehouse.loaded(table.name)

    const plan = planLoad(table, wanted, { ...latest, path }, loaded)
    if (loaded !== undefined && (plan.kind === 'already-loaded' || plan.kind === 'superseded')) {
      return outcomeOf(command, { version: loaded.version, id: loaded.tableId ?? undefined }, loaded.rowCount, {
        outcome: 'already-loaded',
        rowCount: loaded.rowCount,
        sentRowCount: 0,
      })
    }

    await using session = await engine.session()
    const { version, id, rowCount } = wanted
    const options = { task: taskKey(command), version, tableId: id, rowCount, basedOn: loaded?.version ?? -1, signal }
    const work: Work = { session, delta, warehouse, table, version, options, progress }
    const outcome = (plan.kind === 'compare' ? await sendChanges(work, plan.since) : undefined) ?? (await sendAll(work))
    const { outcome: how, sentRowCount } = outcome
    log.info(
      { run: command.run, task: command.task, table: table.name, version, rowCount, sentRowCount, how },
      'table loaded',
    )
    return outcomeOf(command, wanted, rowCount, outcome)
  }
}

/** @returns undefined when everything has to be sent after all */
async function sendChanges(work: Work, since: number): Promise<LoadOutcome | undefined> {
  const { session, delta, warehouse, table, options } = work
  const changed = await findChanges(session, delta, table, { from: since, to: work.version }, options.signal)
  if (changed === undefined || !isCheaperToChange(changed, options.rowCount ?? 0)) return undefined
  const upserts = stream(
    work,
    table.columns.map(({ name }) => name),
    UPSERTS,
  )
  const deletes = stream(work, table.primaryKey, DELETES)
  const outcome = await warehouse.applyChanges(table, { upserts, deletes, since }, options)
  return outcome === 'stale' ? undefined : outcome
}

async function sendAll(work: Work): Promise<LoadOutcome> {
  const { session, delta, warehouse, table, version, options } = work
  await using view = await delta.view(session, { version, signal: options.signal })
  if (view === undefined) throw new RefinedTableMissingError(table.name, delta.path)
  const rows = stream(
    work,
    table.columns.map(({ name }) => name),
    view.relation,
  )
  return await warehouse.replace(table, rows, options)
}

/** The rows of a relation, counted as they pass. */
async function* stream(
  { session, options, progress }: Work,
  columns: readonly string[],
  relation: string,
): WarehouseRows {
  let rowCount = 0
  for await (const rows of session.stream(selectSql(columns, relation), { signal: options.signal })) {
    yield rows
    rowCount += rows.length
    progress({ rowCount })
  }
}

function outcomeOf(
  command: Load,
  { version, id }: { readonly version: number; readonly id?: string | undefined },
  rowsIn: number,
  done: LoadOutcome,
): TaskOutcome {
  return {
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

function taskKey({ run, task, generation }: Load): string {
  return `${run}/${task}/${generation}`
}
