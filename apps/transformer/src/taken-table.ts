import type { QualityResult } from '@cinelake/contracts'
import { tableTakenByOther, type DeltaSnapshot } from '@cinelake/delta'
import type { Lake } from '@cinelake/lake'

/**
 * Warns where a table begins although its pipeline had rows in one of that name before: pipelines shared their tables'
 * names once, and what this one wrote is in another pipeline's table.
 */
export async function warnOfTakenTable(
  lake: Lake,
  { pipeline, table }: { readonly pipeline: string; readonly table: string },
  snapshot: DeltaSnapshot | undefined,
  signal: AbortSignal,
): Promise<QualityResult[]> {
  if (snapshot !== undefined) return []
  const taken = await tableTakenByOther(lake, pipeline, table, { signal })
  if (taken === undefined) return []
  const detail =
    `${taken.path} is the table of pipeline ${taken.owner}, into which ${pipeline} wrote as well: ${table} begins here ` +
    `without those rows; to have them, rebuild it from raw: cinelake rebuild DIR ${table}, with the folder of ${pipeline}`
  return [{ rule: 'table_of_its_own', severity: 'warn', checked: 1, failed: 1, detail }]
}
