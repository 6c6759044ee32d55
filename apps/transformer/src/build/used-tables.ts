import { usedVersionPath, type Build, type TableVersion } from '@cinelake/contracts'
import type { Clock } from '@cinelake/core'
import { createDeltaTable, locateTable } from '@cinelake/delta'
import type { Lake } from '@cinelake/lake'
import type { CheckedModel } from '@cinelake/pipeline'
import { z } from 'zod'
import { buildErrors } from './errors.ts'

type Deps = { readonly lake: Lake; readonly clock: Clock; readonly signal: AbortSignal }

/** Which version of another pipeline's table a window reads. */
const UsedVersion = z.object({ table: z.string(), version: z.int().min(0), id: z.string().optional() })

/** Lake path of a table that a model names: one of its own pipeline, or `pipeline.table` of another. */
export async function locateInput(
  lake: Lake,
  pipeline: string,
  name: string,
  options: { readonly signal: AbortSignal },
): Promise<string> {
  const dot = name.indexOf('.')
  return dot < 0
    ? await locateTable(lake, pipeline, name, options)
    : await locateTable(lake, name.slice(0, dot), name.slice(dot + 1), options)
}

/**
 * The command with the versions of other pipelines' tables that the model reads. Of each that is the newest when the first
 * build of the window asks; what it found is put into the lake, so that every further attempt, and the other models of the
 * window, read the same.
 * @throws {BUILD_USED_TABLE_MISSING} transient: the other pipeline has not made it yet
 */
export async function withUsedTables(command: Build, model: CheckedModel, deps: Deps): Promise<Build> {
  const used = model.inputs.filter((name) => name.includes('.'))
  if (used.length === 0) return command
  const pinned: TableVersion[] = []
  for (const table of used) pinned.push(await usedVersion(command, table, deps))
  return { ...command, inputs: [...command.inputs.filter(({ table }) => !used.includes(table)), ...pinned] }
}

async function usedVersion(command: Build, table: string, { lake, clock, signal }: Deps): Promise<TableVersion> {
  const { pipeline, window, generation, model } = command
  const path = usedVersionPath(pipeline.name, window.label, table, generation)
  const known = await lake.readText(path, { signal })
  if (known !== undefined) return UsedVersion.parse(JSON.parse(known))
  const at = await locateInput(lake, pipeline.name, table, { signal })
  const snapshot = await createDeltaTable({ lake, path: at, clock }).snapshot({ signal })
  if (snapshot === undefined) throw buildErrors.BUILD_USED_TABLE_MISSING(model, table)
  const found: z.infer<typeof UsedVersion> = { table, version: snapshot.version, id: snapshot.id }
  if ((await lake.putIfAbsent(path, JSON.stringify(found), { signal })) === 'created') return found
  const first = await lake.readText(path, { signal })
  return first === undefined ? found : UsedVersion.parse(JSON.parse(first))
}
