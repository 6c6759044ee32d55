import type { Ingest, LandedCursor } from '@cinelake/contracts'
import { parseWindow } from '@cinelake/core'
import { type Lake, manifestBefore } from '@cinelake/lake'
import type { PipelineOfSource } from '@cinelake/source-kind'
import type { DatabaseDataset, TableIncrement } from '../config/index.ts'
import { databaseSourceErrors, type DatabaseLocation } from '../errors.ts'
import type { RowRange, Snapshot, SourceTable } from '../source-database.ts'

/** The rows of a table that are read; without a range all of them. */
export type Reading = {
  readonly range?: RowRange
  /** No row can be new. */
  readonly isEmpty?: boolean
  readonly cursor?: LandedCursor
}

type Place = {
  readonly lake: Pick<Lake, 'list' | 'readText'>
  readonly snapshot: Snapshot
  readonly table: SourceTable
  readonly at: DatabaseLocation
  readonly pipeline: PipelineOfSource
  readonly command: Ingest
  readonly signal: AbortSignal
}

/** Decides which rows of a table are new, by its dataset and by the watermark of the previous window. */
export async function planReading(dataset: DatabaseDataset | undefined, place: Place): Promise<Reading> {
  if (dataset?.changeTracking === true) return await changes(place)
  if (dataset?.incremental === undefined) return {}
  const columns = [dataset.incremental.column, ...(dataset.incremental.orColumns ?? [])]
  const kind = await place.snapshot.checkRange(place.table, columns)
  return kind === 'time' ? times(columns, dataset.incremental, place) : await numbers(dataset.incremental, place)
}

function times(columns: readonly string[], { overlapMs = 0 }: TableIncrement, { pipeline, command }: Place): Reading {
  const last = sinceOf(pipeline, command)
  const since = last === null || overlapMs === 0 ? last : new Date(Date.parse(last) - overlapMs).toISOString()
  const until = command.window.end
  return {
    range: { kind: 'time', columns, since, until, timeZone: pipeline.schedule.timeZone },
    cursor: { column: columns.join(', '), since, until },
  }
}

async function numbers({ column, overlapBy = 0 }: TableIncrement, place: Place): Promise<Reading> {
  const { snapshot, table, at, pipeline, command } = place
  const target = pipeline.datasets.find((one) => one.source === command.source && one.sourceDataset === command.dataset)
  if (target?.mode === 'append') {
    const problem = 'expected `mode: merge`, since a window that is done again reads rows again, got `mode: append`'
    throw databaseSourceErrors.DATABASE_CURSOR_UNUSABLE(at, table.table, column, problem)
  }
  const before = await readBefore(place)
  const last = before !== undefined && 'kind' in before && before.kind === 'number' ? before.until : null
  const until = await snapshot.highest(table, column)
  if (until !== null && !/^-?\d+(?:\.\d+)?$/.test(until)) {
    throw databaseSourceErrors.DATABASE_CURSOR_UNUSABLE(
      at,
      table.table,
      column,
      'expected numbers alone, got a highest value that is none',
    )
  }
  // The sequence was reset: rows that came since cannot be distinguished from earlier ones.
  const since = last === null || until === null || isBelow(until, last) ? null : lowered(last, overlapBy)
  const cursor = { kind: 'number', column, since, until } as const
  return until === null ? { isEmpty: true, cursor } : { range: { kind: 'number', column, since, until }, cursor }
}

async function changes(place: Place): Promise<Reading> {
  const { current, oldest } = await place.snapshot.changeVersions(place.table)
  // A deliberate re-run starts over.
  const before = place.command.generation > 1 ? undefined : await readBefore(place)
  const since = before !== undefined && 'kind' in before && before.kind === 'changes' ? before.until : null
  const isKnown = since !== null && !isBelow(since, oldest) && !isBelow(current, since)
  const cursor = { kind: 'changes', since: isKnown ? since : null, until: current } as const
  return isKnown ? { range: { kind: 'changes', since }, cursor } : { cursor }
}

const readBefore = async ({ lake, pipeline, command, signal }: Place) =>
  (await manifestBefore(lake, command, pipeline.schedule, { signal }))?.cursor

/** Arithmetic on numbers in decimal digits, of any length. */
function isBelow(one: string, other: string): boolean {
  const digits = Math.max(fractionOf(one).length, fractionOf(other).length)
  return scaled(one, digits) < scaled(other, digits)
}

/** The greatest integer not above the number, less `by`. */
function lowered(text: string, by: number): string {
  if (by === 0) return text
  const digits = fractionOf(text).length
  const [number, unit] = [scaled(text, digits), 10n ** BigInt(digits)]
  const below = number / unit - (number < 0n && number % unit !== 0n ? 1n : 0n)
  return String(below - BigInt(by))
}

const fractionOf = (text: string) => text.split('.')[1] ?? ''

/** The number multiplied by a power of ten; the exponent is at least the number of its decimals. */
function scaled(text: string, digits: number): bigint {
  return BigInt(`${text.split('.')[0] ?? '0'}${fractionOf(text).padEnd(digits, '0')}`)
}

/**
 * The start of an incremental read. Merged rows may be read twice, so a window starts where the last successful one
 * ended. Appended rows would then be counted twice as soon as windows succeed out of order: each window has
 * exactly its own interval, and the schedule's first one also everything before.
 */
export function sinceOf(
  { datasets, schedule }: Pick<PipelineOfSource, 'datasets' | 'schedule'>,
  { source, dataset, since, window }: Pick<Ingest, 'source' | 'dataset' | 'since' | 'window'>,
): string | null {
  const target = datasets.find((one) => one.source === source && one.sourceDataset === dataset)
  if (target?.mode !== 'append') return since
  const first = parseWindow(schedule, schedule.start)
  return first !== undefined && Date.parse(first.start) === Date.parse(window.start) ? null : window.start
}
