import { formerRefinedPath, formerRejectsPath, refinedPath, rejectsPath } from '@cinelake/contracts'
import { ConfigError, PipelineError, systemClock, TerminalError, closestName } from '@cinelake/core'
import {
  createDeltaTable,
  locateRejects,
  locateTable,
  requireFiles,
  requireKnown,
  type DeltaTable,
} from '@cinelake/delta'
import type { CallOptions, Lake } from '@cinelake/lake'
import { openRunHistory, type PipelineTable } from '@cinelake/run-store'
import { openExistingDatabase, openExistingLake } from './open-parts.ts'
import type { PlatformConfig } from './settings.ts'

/** A table of the lake with its pipeline. */
export type LakeTable = { readonly pipeline: string; readonly table: string }

/** The lake's address, and the run history of its tables. */
type Places = Pick<PlatformConfig, 'api' | 'lake' | 'database'>

/** Selects the tables of the run history that a command is about. */
export type IsMeant = (table: Pick<PipelineTable, 'pipeline' | 'table' | 'isRejects'>) => boolean

/**
 * The lake for a command that reads tables of it.
 * @throws {ConfigError} terminal: no run has been made there yet
 * @throws {TableLostError} terminal: the lake is gone, and the run history knows a requested table
 */
export async function openLakeOfTables(config: Places, isMeant: IsMeant): Promise<Lake> {
  try {
    return await openExistingLake(config)
  } catch (error) {
    if (error instanceof ConfigError) await refuseLost(config, undefined, isMeant)
    throw error
  }
}

/**
 * Distinguishes a lost table from one that never existed, for commands that found none: the run history knows which
 * were made. Without access to it, no error is thrown.
 * @param lake undefined where the lake does not exist
 * @throws {TableLostError} terminal, and the other errors of a table that differs from the run history
 */
export async function refuseLost(config: Places, lake: Lake | undefined, isMeant: IsMeant): Promise<void> {
  // The history first: a table that is made meanwhile exists before the history knows it.
  for (const each of (await knownTables(config)).filter(isMeant)) {
    const loss = await lossOf(lake, each)
    if (loss !== undefined) throw loss
  }
}

/** The history is not accessible in a database that cannot be read, or where a remote scheduler keeps it. */
async function knownTables(config: Places): Promise<readonly PipelineTable[]> {
  if (config.api !== undefined) return []
  try {
    await using database = await openExistingDatabase(config)
    return await (await openRunHistory(database)).knownTables()
  } catch (error) {
    if (error instanceof PipelineError) return []
    throw error
  }
}

/**
 * The problem with a table that differs from the run history.
 * @param lake undefined where the lake does not exist
 * @returns an error of the table, `TABLE_LOST` and the like; undefined where there is no difference
 */
export async function lossOf(
  lake: Lake | undefined,
  { pipeline, table, isRejects, known }: PipelineTable,
  options: CallOptions = {},
): Promise<Error | undefined> {
  try {
    if (lake === undefined) {
      requireKnown((isRejects ? rejectsPath : refinedPath)(pipeline, table), undefined, known)
      return undefined
    }
    const path = await (isRejects ? locateRejects : locateTable)(lake, pipeline, table, options)
    const snapshot = await createDeltaTable({ lake, path, clock: systemClock }).snapshot(options)
    requireKnown(path, snapshot, known)
    if (snapshot !== undefined) await requireFiles(lake, path, snapshot, options)
    return undefined
  } catch (error) {
    // An error that a retry can fix does not mean a loss.
    if (error instanceof TerminalError) return error
    throw error
  }
}

/** The tables that a name may refer to, and those of their rejected rows. */
export function namedBy(name: string): IsMeant {
  const { wanted, table } = parsed(name)
  return (one) => one.table === table && (wanted === undefined || one.pipeline === wanted)
}

function parsed(name: string): { readonly wanted: string | undefined; readonly table: string } {
  const dot = name.indexOf('.')
  return dot < 0 ? { wanted: undefined, table: name } : { wanted: name.slice(0, dot), table: name.slice(dot + 1) }
}

/**
 * The table of a user's argument: by its name where one pipeline has it, otherwise as `pipeline.table`.
 * @throws {ConfigError} terminal: there is none, or several pipelines have one
 * @throws {TableLostError} terminal: the run history knows it, but it is gone
 */
export async function findTable(config: Places, lake: Lake, name: string): Promise<LakeTable> {
  const { wanted, table } = parsed(name)
  const pipelines = await pipelinesIn(lake)
  const found: LakeTable[] = []
  for (const pipeline of pipelines) {
    if (wanted !== undefined && wanted !== pipeline) continue
    if (await isThere(lake, { pipeline, table })) found.push({ pipeline, table })
  }
  const [only, ...others] = found
  if (only === undefined) {
    await refuseLost(config, lake, namedBy(name))
    throw await unknownTable(lake, name, pipelines)
  }
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

/** The refined tables of a name, in any pipeline. Looks up only these: a lake may hold very many files. */
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

/** The folder of rejects, distinct from those of pipelines, whose names begin with a letter. */
const REJECTS = '_rejects'

/** The first entry of a Delta table's log: its existence marks a table. */
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

/** The datasets and models that have rejected rows. */
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

/** A table outside of any pipeline's folder is from an earlier release: its log has its owner. */
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
 * Suggestions for a misspelled name: full names, or only the table's where the pipeline was omitted or is another.
 * Singular and plural differ by a letter without being a typing error.
 */
function meantTables(name: string, known: readonly string[]): string[] {
  const whole = closestName(name, known)
  if (whole !== undefined) return [whole]
  for (const part of [withoutPipeline, (each: string) => withoutPipeline(each).replace(/s$/i, '')]) {
    const closest = closestName(part(name), known.map(part))
    if (closest !== undefined) return known.filter((each) => part(each) === closest)
  }
  return []
}

const withoutPipeline = (name: string) => name.slice(name.indexOf('.') + 1)
