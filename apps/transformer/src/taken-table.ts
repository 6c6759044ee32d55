import type { Build, QualityResult, Refine } from '@cinelake/contracts'
import { tableTakenByOther, type DeltaSnapshot } from '@cinelake/delta'
import type { Lake } from '@cinelake/lake'

/**
 * Warns where a table is created although its pipeline had rows in one of that name before: pipelines once shared table
 * names, and the rows of this one are in another pipeline's table.
 */
export async function warnOfTakenTable(
  lake: Lake,
  { pipeline, restart }: Pick<Refine | Build, 'pipeline' | 'restart'>,
  table: string,
  snapshot: DeltaSnapshot | undefined,
  signal: AbortSignal,
): Promise<QualityResult[]> {
  // A table that starts over from raw has its rows.
  if (snapshot !== undefined || restart === true) return []
  const { name } = pipeline
  const taken = await tableTakenByOther(lake, name, table, { signal })
  if (taken === undefined) return []
  const detail =
    `${taken.path} is the table of pipeline ${taken.owner}, into which ${name} wrote as well: ${table} begins here ` +
    `without those rows; to have them, rebuild it from raw: cinelake rebuild DIR ${table}, with the folder of ${name}`
  return [{ rule: 'table_of_its_own', severity: 'warn', checked: 1, failed: 1, detail }]
}
