import { CancelledError } from '@cinelake/core'
import { warehouseErrors, WarehouseRefusedError, WarehouseUnavailableError } from './errors.ts'
import {
  pipelineOf,
  qualifiedName,
  shapeOf,
  type LoadedTable,
  type LoadOptions,
  type LoadOutcome,
  type TablePlace,
  type WarehouseTable,
} from './warehouse.ts'

/**
 * A table is the pipeline's that loaded it last. @param pipeline who wants to load it; undefined: its task names none
 * @throws {WAREHOUSE_TABLE_TAKEN} terminal: it is another pipeline's
 */
export function requireOwner(
  table: TablePlace,
  pipeline: string | undefined,
  now: LoadedTable | undefined,
  takesOverFrom?: string,
): void {
  if (pipeline === undefined || now?.pipeline === undefined) return
  if (now.pipeline === pipeline || now.pipeline === takesOverFrom) return
  throw warehouseErrors.WAREHOUSE_TABLE_TAKEN(qualifiedName(table), pipeline, now.pipeline)
}

/** The known state of a table before a load. @throws {WAREHOUSE_TABLE_TAKEN} terminal: it belongs to someone else */
export function requireFree(
  table: WarehouseTable,
  { task, takesOverFrom }: LoadOptions,
  { now, exists }: { readonly now: LoadedTable | undefined; readonly exists: boolean },
): void {
  const pipeline = pipelineOf(task)
  if (now === undefined && exists) {
    throw warehouseErrors.WAREHOUSE_TABLE_TAKEN(qualifiedName(table), pipeline ?? task, undefined)
  }
  requireOwner(table, pipeline, now, takesOverFrom)
}

/** The outcome when the table holds what is wanted; undefined when there is something to load. */
export function alreadyLoaded(
  now: LoadedTable | undefined,
  table: WarehouseTable,
  options: LoadOptions,
): LoadOutcome | undefined {
  if (now === undefined || now.version !== options.version || now.shape !== shapeOf(table)) return undefined
  // The same version of another pipeline's table is another table.
  if (now.pipeline !== pipelineOf(options.task) || !isSameTable(now, options)) return undefined
  // Another number of rows under the same version is another table of that name: it was begun again.
  if (now.rowCount !== (options.rowCount ?? now.rowCount)) return undefined
  return { outcome: 'already-loaded', rowCount: now.rowCount, sentRowCount: 0 }
}

/** Whether versions can be compared: those of two identities say nothing about one another. */
function isSameTable({ tableId }: LoadedTable, options: Pick<LoadOptions, 'tableId'>): boolean {
  return tableId === null || options.tableId === undefined || tableId === options.tableId
}

/** See `LoadOptions.basedOn`. */
export function versionOf(now: LoadedTable | undefined): number {
  return now?.version ?? -1
}

/** @throws {WarehouseUnavailableError} transient: another load came in between, which this one would revert */
export function requireBase(
  location: string,
  table: WarehouseTable,
  basedOn: number,
  now: LoadedTable | undefined,
): void {
  if (versionOf(now) === basedOn) return
  throw new WarehouseUnavailableError(location, `another load of ${table.name} was faster [version=${now?.version}]`)
}

/** Whether changes relative to a version can be applied to what the table holds. */
export function isBase(
  now: LoadedTable | undefined,
  table: WarehouseTable,
  since: number,
  options: Pick<LoadOptions, 'tableId'>,
): boolean {
  return now !== undefined && now.version === since && now.shape === shapeOf(table) && isSameTable(now, options)
}

/** @throws {WarehouseRefusedError} terminal: the row count is too high or too low */
export function requireCount(table: WarehouseTable, expected: number, actual: number): void {
  if (actual === expected) return
  throw new WarehouseRefusedError(
    table.name,
    `expected ${expected} rows, got ${actual}`,
    'run the task again; if it stays so, the refined table and its log differ',
    { expected, actual },
  )
}

/** @throws {CancelledError} transient: the load was cancelled */
export function stopWhenAborted(table: WarehouseTable, { signal }: LoadOptions): void {
  if (signal?.aborted === true) throw new CancelledError(`the load of ${table.name}`, { cause: signal.reason })
}
