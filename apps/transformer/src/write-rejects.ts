import {
  createDeltaTable,
  DeltaCorruptError,
  type CommitResult,
  type DeltaSnapshot,
  type DeltaTable,
  type ParquetSql,
} from '@cinelake/delta'
import type { Clock, Window } from '@cinelake/core'
import { literal } from '@cinelake/engine'
import type { Lake } from '@cinelake/lake'

/** Which task's rejects they are: the part of a command that says so. */
export type RejectsOf = {
  readonly run: string
  readonly task: string
  readonly generation: number
  readonly window: Window
  /** The task begins its table anew: rejects that cannot be read are begun again with it. */
  readonly restart?: boolean | undefined
  /** Tells tries of one generation apart that read other inputs: the rejects of each take the place of those before. */
  readonly edition?: string
}

export type Rejects = {
  /** The dataset or model that the rows did not get into. */
  readonly table: string
  /**
   * The rejected rows as `rule VARCHAR` (the first that is broken), `rules VARCHAR[]` (all), `file VARCHAR` (name as
   * received), `line BIGINT` (1-based, null where there are no lines) and `raw VARCHAR` (the row as it was).
   */
  readonly query: string
  readonly rowCount: number
}

type Deps = { readonly lake: Lake; readonly clock: Clock; readonly session: ParquetSql; readonly signal: AbortSignal }

/**
 * Keeps the rows that a task rejected in `refined/_rejects/<table>`, in place of those that the same window had before.
 * Commits once per task and generation. Nothing is written where there is nothing to keep and nothing to replace.
 */
export async function writeRejects(
  rejects: Rejects,
  { run, task, generation, window, edition, restart }: RejectsOf,
  { lake, clock, session, signal }: Deps,
): Promise<CommitResult | undefined> {
  const table = createDeltaTable({ lake, path: `refined/_rejects/${rejects.table}`, clock })
  const before = await readRejects(table, restart, signal)
  if (rejects.rowCount === 0 && before !== 'damaged') {
    if (before?.files.some((file) => file.partitionValues['window_label'] === window.label) !== true) return undefined
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
    CAST(raw AS VARCHAR) AS raw
  FROM (${rejects.query}\n) AS rejected`
  return await table.overwritePartitions(session, query, {
    txn: { appId: `${run}/${task}${edition === undefined ? '' : `/${edition}`}`, version: generation },
    partitionBy: ['window_label'],
    partitions: [{ window_label: window.label }],
    ...(before === 'damaged' && { restart: {} }),
    signal,
  })
}

async function readRejects(
  table: DeltaTable,
  restart: boolean | undefined,
  signal: AbortSignal,
): Promise<DeltaSnapshot | 'damaged' | undefined> {
  try {
    return await table.snapshot({ signal })
  } catch (error) {
    if (restart === true && error instanceof DeltaCorruptError) return 'damaged'
    throw error
  }
}
