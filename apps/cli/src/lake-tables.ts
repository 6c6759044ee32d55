import { ConfigError, systemClock } from '@cinelake/core'
import { createDeltaTable, locateRejects, locateTable, type DeltaTable } from '@cinelake/delta'
import type { Lake } from '@cinelake/lake'
import { closestName } from '@cinelake/pipeline'

/** A table of the lake with the pipeline that it is of. */
export type LakeTable = { readonly pipeline: string; readonly table: string }

/**
 * The table that a person names: by its name where one pipeline has it, else as `pipeline.table`.
 * @throws {ConfigError} terminal: there is none, or several pipelines have one
 */
export async function findTable(lake: Lake, name: string): Promise<LakeTable> {
  const dot = name.indexOf('.')
  const [wanted, table] = dot < 0 ? [undefined, name] : [name.slice(0, dot), name.slice(dot + 1)]
  const pipelines = await pipelinesIn(lake)
  const found: LakeTable[] = []
  for (const pipeline of pipelines) {
    if (wanted !== undefined && wanted !== pipeline) continue
    if (await isThere(lake, { pipeline, table })) found.push({ pipeline, table })
  }
  const [only, ...others] = found
  if (only === undefined) throw await unknownTable(lake, name, pipelines)
  if (others.length === 0) return only
  const names = found.map((each) => `${each.pipeline}.${each.table}`).join(', ')
  throw new ConfigError('several pipelines have such a table', [`table ${name}: expected one of ${names}`])
}

export async function refinedTable(lake: Lake, { pipeline, table }: LakeTable): Promise<DeltaTable> {
  return createDeltaTable({ lake, path: await locateTable(lake, pipeline, table), clock: systemClock })
}

export async function rejectsTable(lake: Lake, { pipeline, table }: LakeTable): Promise<DeltaTable> {
  return createDeltaTable({ lake, path: await locateRejects(lake, pipeline, table), clock: systemClock })
}

async function isThere(lake: Lake, table: LakeTable): Promise<boolean> {
  if ((await (await refinedTable(lake, table)).snapshot()) !== undefined) return true
  return (await (await rejectsTable(lake, table)).snapshot()) !== undefined
}

/** The pipelines that were ever run on the lake, by name. */
async function pipelinesIn(lake: Lake): Promise<string[]> {
  const names = new Set<string>()
  for await (const { path } of lake.list('pipelines')) {
    const name = /^pipelines\/([^/]+)\//.exec(path)?.[1]
    if (name !== undefined) names.add(name)
  }
  return [...names].sort()
}

/** The first entry of a Delta table's log: where it is, there is a table. */
const FIRST_COMMIT = /^refined\/(?:([^/]+)\/)?([^/]+)\/_delta_log\/0{20}\.json$/

async function unknownTable(lake: Lake, name: string, pipelines: readonly string[]): Promise<ConfigError> {
  const known: string[] = []
  for await (const { path } of lake.list('refined')) {
    const [, pipeline, table] = FIRST_COMMIT.exec(path) ?? []
    if (table === undefined || pipeline === '_rejects') continue
    known.push(pipeline === undefined || pipelines.length === 1 ? table : `${pipeline}.${table}`)
  }
  const expected = known.length === 0 ? 'a table, but there are none yet' : `one of ${known.join(', ')}`
  const meant = closestName(name, known)
  const hint = meant === undefined ? '' : `; did you mean \`${meant}\`?`
  return new ConfigError('there is no such table', [`table ${name} in ${lake.location}: expected ${expected}${hint}`])
}
