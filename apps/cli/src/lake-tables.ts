import { ConfigError, systemClock } from '@cinelake/core'
import { createDeltaTable, type DeltaTable } from '@cinelake/delta'
import type { Lake } from '@cinelake/lake'

const REFINED = 'refined'
const REJECTS = 'refined/_rejects'
/** The first entry of a Delta table's log: where it is, there is a table. */
const FIRST_COMMIT = '/_delta_log/00000000000000000000.json'

export function refinedTable(lake: Lake, name: string): DeltaTable {
  return createDeltaTable({ lake, path: `${REFINED}/${name}`, clock: systemClock })
}

export function rejectsTable(lake: Lake, dataset: string): DeltaTable {
  return createDeltaTable({ lake, path: `${REJECTS}/${dataset}`, clock: systemClock })
}

/** A table that somebody named is not in the lake: says which are. */
export async function unknownTable(lake: Lake, name: string): Promise<ConfigError> {
  const known = await refinedTables(lake)
  const expected = known.length === 0 ? 'a table, but there are none yet' : `one of ${known.join(', ')}`
  return new ConfigError('there is no such table', [`table ${name} in ${lake.location}: expected ${expected}`])
}

/** The names of the refined tables. */
export async function refinedTables(lake: Lake): Promise<string[]> {
  const names: string[] = []
  for await (const { path } of lake.list(REFINED)) {
    if (path.endsWith(FIRST_COMMIT) && !path.startsWith(`${REJECTS}/`)) {
      names.push(path.slice(REFINED.length + 1, -FIRST_COMMIT.length))
    }
  }
  return names
}

/** The datasets and models that rows were rejected of. */
export async function rejectsTables(lake: Lake): Promise<string[]> {
  const names: string[] = []
  for await (const { path } of lake.list(REJECTS)) {
    if (path.endsWith(FIRST_COMMIT)) names.push(path.slice(REJECTS.length + 1, -FIRST_COMMIT.length))
  }
  return names
}
