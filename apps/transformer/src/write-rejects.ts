import { literal } from '@cinelake/sql'
import type { Build, Refine, TaskOutput } from '@cinelake/contracts'
import {
  createDeltaTable,
  locateRejects,
  requireFiles,
  requireKnown,
  type CommitResult,
  type DeltaSnapshot,
  type DeltaTable,
  type ParquetSql,
} from '@cinelake/delta'
import type { Clock } from '@cinelake/core'
import type { Lake } from '@cinelake/lake'
import { isLoss, mayBegin } from './target-table.ts'

/** The task of the rejects: the part of a command that identifies it. */
export type RejectsOf = Pick<
  Refine | Build,
  'run' | 'task' | 'generation' | 'window' | 'expectedRejects' | 'restart' | 'restartIfLost'
> & {
  /** Distinguishes attempts of one generation with other inputs: the rejects of each replace the earlier ones. */
  readonly edition?: string
}

/** Rows per rule of severity `warn` and window that are kept for inspection: a sufficient sample. */
export const MAX_KEPT_ROWS = 1000

export type Rejects = {
  /**
   * The rejected rows as `rule VARCHAR` (the first that is broken), `rules VARCHAR[]` (all), `file VARCHAR` (name as
   * received), `line BIGINT` (1-based, null where there are no lines), `found VARCHAR[]` (the actual values, by rule;
   * null where not known), `kept BOOLEAN` (whether the row is in the table all the same, since it breaks only rules of
   * severity `warn`) and `raw VARCHAR` (the row as it was).
   */
  readonly query: string
  readonly hasRows: boolean
}

/** The table of a table's rejected rows, in the state that a command starts from. */
export type RejectsTable = {
  readonly table: DeltaTable
  /** `lost`: it differs from the run history, and the command starts the table over. */
  readonly before: DeltaSnapshot | 'lost' | undefined
}

type Place = { readonly lake: Lake; readonly clock: Clock; readonly signal: AbortSignal }

/**
 * Reads the table of a table's rejected rows, and checks it against the run history: if it is lost, so are the rejected
 * rows. A command that starts its table over also starts this one over, where it is lost.
 * @throws {TableLostError} terminal @throws {TableReplacedError} terminal @throws {DeltaCorruptError} terminal
 * @throws {TableFilesLostError} terminal
 */
export async function readRejects(
  command: Pick<Refine | Build, 'pipeline' | 'restart' | 'restartIfLost' | 'expectedRejects'>,
  name: string,
  { lake, clock, signal }: Place,
): Promise<RejectsTable> {
  const { pipeline, expectedRejects } = command
  const path = await locateRejects(lake, pipeline.name, name, { signal })
  const table = createDeltaTable({ lake, path, clock })
  try {
    const before = await table.snapshot({ signal })
    requireKnown(path, before, expectedRejects)
    if (before !== undefined) await requireFiles(lake, path, before, { signal })
    return { table, before }
  } catch (error) {
    if (mayBegin(command) && isLoss(error)) return { table, before: 'lost' }
    throw error
  }
}

/**
 * Keeps the rows that a task rejected in a table of rejects, and some of those that only broke a warning, in place of
 * the earlier ones of the same window. Commits once per task and generation. Writes nothing where there is nothing to
 * keep and nothing to replace.
 * @returns a command's report about the table; undefined where there is none
 */
export async function writeRejects(
  rejects: Rejects,
  of: RejectsOf,
  { table, before }: RejectsTable,
  { session, signal }: { readonly session: ParquetSql; readonly signal: AbortSignal },
): Promise<RejectsOutput | undefined> {
  const { run, task, generation, window, edition, expectedRejects } = of
  const isLost = before === 'lost'
  if (!rejects.hasRows && !isLost) {
    const hasSome = before?.files.some((file) => file.partitionValues['window_label'] === window.label) === true
    if (!hasSome) return rejectsOutput(before, of)
  }
  const query = `SELECT
    ${literal(window.label)} AS window_label,
    TIMESTAMPTZ ${literal(window.start)} AS window_start,
    ${literal(run)} AS run,
    ${literal(task)} AS task,
    CAST(rule AS VARCHAR) AS rule,
    CAST(rules AS VARCHAR[]) AS rules,
    CAST(file AS VARCHAR) AS file,
    CAST(line AS BIGINT) AS line,
    CAST(found AS VARCHAR[]) AS found,
    CAST(kept AS BOOLEAN) AS kept,
    CAST(raw AS VARCHAR) AS raw
  FROM (${rejects.query}\n) AS rejected`
  const done = await table.overwritePartitions(session, query, {
    txn: { appId: `${run}/${task}${edition === undefined ? '' : `/${edition}`}`, version: generation },
    partitionBy: ['window_label'],
    partitions: [{ window_label: window.label }],
    ...(isLost && { restart: { formerId: expectedRejects?.id } }),
    signal,
  })
  return rejectsOutput(done, of)
}

type RejectsOutput = NonNullable<Extract<TaskOutput, { kind: 'table' }>['rejects']>

/** A command's report about a table of rejects that it leaves unchanged. */
export function rejectsOutput(
  found: Pick<CommitResult, 'version' | 'id'> | 'lost' | undefined,
  command: Pick<Refine | Build, 'restart' | 'restartIfLost'>,
): RejectsOutput | undefined {
  if (found === undefined || found === 'lost') return undefined
  return { version: found.version, id: found.id, ...(mayBegin(command) && { began: true }) }
}
