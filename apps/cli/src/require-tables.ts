import { defineErrors, terminal } from '@cinelake/core'
import type { Lake } from '@cinelake/lake'
import type { RunRecord } from '@cinelake/run-store'
import type { Scheduler } from '@cinelake/scheduler'
import { lossOf } from './lake-tables.ts'

/** Tables that an error names. */
const NAMED = 5

const tableErrors = defineErrors({
  /**
   * Several tables of a pipeline are not what is known to have been made of them.
   * @param lost names in the order of the plan, at least two @param first what is wrong with the first of them
   */
  TABLES_LOST: terminal((pipeline: string, lost: readonly string[], checkedCount: number, first: string) => {
    const names = lost.slice(0, NAMED).join(', ') + (lost.length > NAMED ? ` and ${lost.length - NAMED} more` : '')
    const rebuilt = lost.length > NAMED ? '--all' : lost.join(' ')
    return [
      `tables have lost what they held [pipeline=${pipeline} tables=${names}]: expected what the run history knows of ${checkedCount} tables, got ${lost.length} that are gone, damaged or older; nothing was done: restore their folders from a copy, or rebuild them from raw: \`cinelake rebuild DIR ${rebuilt}\` (DIR is the folder of the pipeline). The first of them: ${first}`,
      { pipeline, tables: names },
    ]
  }),
})

type Deps = {
  readonly lake: Lake
  readonly scheduler: Pick<Scheduler, 'knownTables'>
  readonly signal: AbortSignal
}

/**
 * Checks that the lake has what runs that are done have made. Their tasks are not done again, and nothing else would
 * look: a table that is gone would be answered with "done already".
 * @throws {TABLES_LOST} terminal; of one table alone its own error, `TABLE_LOST` and the like
 */
export async function requireTables(pipeline: string, runs: readonly RunRecord[], deps: Deps): Promise<void> {
  const outputs = runs.flatMap(({ tasks }) => tasks.map(({ output }) => output))
  const tables = new Set(outputs.flatMap((output) => (output?.kind === 'table' ? [output.table] : [])))
  const known = await deps.scheduler.knownTables(pipeline, [...tables])
  const lost = new Map<string, Error>()
  for (const one of known) {
    const loss = await lossOf(deps.lake, { ...one, pipeline }, { signal: deps.signal })
    if (loss !== undefined && !lost.has(one.table)) lost.set(one.table, loss)
  }
  const [first] = lost.values()
  if (first === undefined) return
  throw lost.size === 1 ? first : tableErrors.TABLES_LOST(pipeline, [...lost.keys()], tables.size, first.message)
}
