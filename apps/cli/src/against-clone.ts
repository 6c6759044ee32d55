import { locateRejects, locateTable } from '@cinelake/delta'
import type { Lake } from '@cinelake/lake'
import { createDirectoryLake } from '@cinelake/lake/directory'
import { createOverlayLake } from '@cinelake/lake/overlay'
import type { CheckedPipeline } from '@cinelake/pipeline'
import { randomUUID } from 'node:crypto'
import path from 'node:path'
import { refinedTable, rejectsTable, type LakeTable } from './lake-tables.ts'

/** A snapshot of the tables' versions, by their folders in the lake; -1 where there was no table. */
export type FrozenTables = ReadonlyMap<string, number>

/**
 * Records the versions of all tables that pipelines make or read, and of their rejects: runs may continue meanwhile,
 * and their rows are not an effect of the text.
 */
export async function freezeTables(
  lake: Lake,
  pipelines: readonly CheckedPipeline[],
  signal: AbortSignal,
): Promise<FrozenTables> {
  const tables = new Map<string, LakeTable>()
  for (const { name: pipeline, datasets, models } of pipelines) {
    const own = [...datasets, ...models].map(({ name }) => ({ pipeline, table: name }))
    const used = models.flatMap(({ inputs }) => inputs.filter((input) => input.includes('.')))
    const others = used.map((name) => {
      const dot = name.indexOf('.')
      return { pipeline: name.slice(0, dot), table: name.slice(dot + 1) }
    })
    for (const each of [...own, ...others]) tables.set(`${each.pipeline}.${each.table}`, each)
  }
  const frozen = new Map<string, number>()
  for (const each of tables.values()) {
    const table = await (await refinedTable(lake, each)).snapshot({ signal })
    frozen.set(await locateTable(lake, each.pipeline, each.table, { signal }), table?.version ?? -1)
    const rejects = await (await rejectsTable(lake, each)).snapshot({ signal })
    frozen.set(await locateRejects(lake, each.pipeline, each.table, { signal }), rejects?.version ?? -1)
  }
  return frozen
}

/**
 * A shallow clone of a lake with tables in the recorded versions: writes go to a directory, existing files are read in
 * place. Disposing it leaves the lake open.
 */
export async function cloneLake(lake: Lake, frozen: FrozenTables, directory: string): Promise<Lake> {
  const upper = await createDirectoryLake(path.join(directory, randomUUID()))
  return createOverlayLake(lake, upper, (each) => isLater(each, frozen))
}

/**
 * The log entries after the frozen version, and the pointer that may name one of them; for a table that did not exist,
 * the whole log.
 */
function isLater(object: string, frozen: FrozenTables): boolean {
  const [folder = '', file] = object.split('/_delta_log/')
  if (file === undefined) return isOfLaterTable(object, frozen)
  const version = frozen.get(folder)
  if (version === undefined) return false
  const [, entry] = /^(\d{20})\./.exec(file) ?? []
  return version < 0 || (entry === undefined ? file === '_last_checkpoint' : Number(entry) > version)
}

function isOfLaterTable(object: string, frozen: FrozenTables): boolean {
  for (let at = object.lastIndexOf('/'); at > 0; at = object.lastIndexOf('/', at - 1)) {
    const version = frozen.get(object.slice(0, at))
    if (version !== undefined) return version < 0
  }
  return false
}
