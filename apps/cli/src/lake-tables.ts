import { formerRefinedPath, formerRejectsPath } from '@cinelake/contracts'
import { ConfigError, systemClock, closestName } from '@cinelake/core'
import { createDeltaTable, locateRejects, locateTable, type DeltaTable } from '@cinelake/delta'
import type { Lake } from '@cinelake/lake'

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

/** The refined tables of a name, of whichever pipeline. Looks for these alone: a lake may hold very many files. */
export async function refinedTablesNamed(lake: Lake, table: string): Promise<LakeTable[]> {
  const found: LakeTable[] = []
  for (const pipeline of await pipelinesIn(lake)) {
    if ((await (await refinedTable(lake, { pipeline, table })).snapshot()) !== undefined)
      found.push({ pipeline, table })
  }
  return found
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

/** The folder of rejects among those of pipelines, whose names begin with a letter. */
const REJECTS = '_rejects'

/** The first entry of a Delta table's log: where it is, there is a table. */
const REFINED_COMMIT = /^refined\/(?:([^/]+)\/)?([^/]+)\/_delta_log\/0{20}\.json$/
const REJECTS_COMMIT = /^refined\/(?:([^/]+)\/)?_rejects\/([^/]+)\/_delta_log\/0{20}\.json$/

/** The refined tables of all pipelines. */
export async function refinedTables(lake: Lake): Promise<LakeTable[]> {
  const found = await matches(lake, REFINED_COMMIT)
  const tables = found.filter(({ pipeline }) => pipeline !== REJECTS)
  const isOf = async (pipeline: string, table: string) =>
    (await locateTable(lake, pipeline, table)) === formerRefinedPath(table)
  return await withOwners(lake, tables, isOf)
}

/** The datasets and models that rows were rejected of. */
export async function rejectsTables(lake: Lake): Promise<LakeTable[]> {
  const isOf = async (pipeline: string, table: string) =>
    (await locateRejects(lake, pipeline, table)) === formerRejectsPath(table)
  return await withOwners(lake, await matches(lake, REJECTS_COMMIT), isOf)
}

type Match = { readonly pipeline: string | undefined; readonly table: string }

async function matches(lake: Lake, pattern: RegExp): Promise<Match[]> {
  const found: Match[] = []
  for await (const { path } of lake.list('refined')) {
    const [, pipeline, table] = pattern.exec(path) ?? []
    if (table !== undefined) found.push({ pipeline, table })
  }
  return found
}

/** A table that is in no pipeline's folder is of before: its log tells whose it is. */
async function withOwners(
  lake: Lake,
  found: readonly Match[],
  isOf: (pipeline: string, table: string) => Promise<boolean>,
): Promise<LakeTable[]> {
  const pipelines = await pipelinesIn(lake)
  const tables: LakeTable[] = []
  for (const { pipeline, table } of found) {
    if (pipeline !== undefined) tables.push({ pipeline, table })
    else for (const each of pipelines) if (await isOf(each, table)) tables.push({ pipeline: each, table })
  }
  return tables
}

async function unknownTable(lake: Lake, name: string, pipelines: readonly string[]): Promise<ConfigError> {
  const tables = await refinedTables(lake)
  const known = tables.map(({ pipeline, table }) => (pipelines.length === 1 ? table : `${pipeline}.${table}`))
  const expected = known.length === 0 ? 'a table, but there are none yet' : `one of ${known.join(', ')}`
  const meant = meantTables(name, known)
  const hint = meant.length === 0 ? '' : `; did you mean ${meant.map((each) => `\`${each}\``).join(' or ')}?`
  return new ConfigError('there is no such table', [`table ${name} in ${lake.location}: expected ${expected}${hint}`])
}

/**
 * Names that were probably meant: as they are known, or by the table alone where the pipeline was left out or is another. One
 * and many are told apart by a letter that is no slip.
 */
function meantTables(name: string, known: readonly string[]): string[] {
  const whole = closestName(name, known)
  if (whole !== undefined) return [whole]
  for (const part of [tableOf, (each: string) => tableOf(each).replace(/s$/i, '')]) {
    const closest = closestName(part(name), known.map(part))
    if (closest !== undefined) return known.filter((each) => part(each) === closest)
  }
  return []
}

const tableOf = (name: string) => name.slice(name.indexOf('.') + 1)
