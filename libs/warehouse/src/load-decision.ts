import { CancelledError } from '@cinelake/core'
import { WarehouseRefusedError, WarehouseUnavailableError } from './errors.ts'
import { shapeOf, type LoadedTable, type LoadOptions, type LoadOutcome, type WarehouseTable } from './warehouse.ts'

/** The outcome when the table holds what is wanted; undefined when there is something to load. */
export function alreadyLoaded(
  now: LoadedTable | undefined,
  table: WarehouseTable,
  options: LoadOptions,
): LoadOutcome | undefined {
  if (now === undefined || now.version !== options.version || now.shape !== shapeOf(table)) return undefined
  if (!isSameTable(now, options)) return undefined
  // Another number of rows under the same version is another table of that name: it was begun again.
  if (now.rowCount !== (options.rowCount ?? now.rowCount)) return undefined
  return { outcome: 'already-loaded', rowCount: now.rowCount, sentRowCount: 0 }
}

/** Whether versions can be compared: those of two identities say nothing about one another. */
function isSameTable({ tableId }: LoadedTable, options: Pick<LoadOptions, 'tableId'>): boolean {
  return tableId === null || options.tableId === undefined || tableId === options.tableId
}

/** As `LoadOptions.basedOn` says it. */
export function versionOf(now: LoadedTable | undefined): number {
  return now?.version ?? -1
}

/**
 * A load that was decided on another version might take a later one back.
 * @throws {WarehouseUnavailableError} transient: another load came in between
 */
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

/** @throws {WarehouseRefusedError} terminal: rows came too many or were lost on the way */
export function requireCount(table: WarehouseTable, expected: number, actual: number): void {
  if (actual === expected) return
  throw new WarehouseRefusedError(
    table.name,
    `expected ${expected} rows, got ${actual}`,
    'run the task again; if it stays so, the refined table and its log differ',
    { expected, actual },
  )
}

/** @throws {CancelledError} transient: the load was told to stop */
export function stopWhenAborted(table: WarehouseTable, { signal }: LoadOptions): void {
  if (signal?.aborted === true) throw new CancelledError(`the load of ${table.name}`, { cause: signal.reason })
}
