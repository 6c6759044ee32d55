import { ConfigError, type Window } from '@cinelake/core'
import {
  columnReach,
  createSqlTyper,
  formatProblem,
  measuresOf,
  readPipeline,
  textChanges,
  type CheckedPipeline,
  type ColumnReach,
  type Measure,
  type TableEffect,
} from '@cinelake/pipeline'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { RowComparison } from './against-rows.ts'
import { openGitFolder } from './git-folder.ts'
import { openEngine } from './open-parts.ts'
import type { PlatformConfig } from './settings.ts'

/** How a pipeline's text differs from that of a commit. */
export type TextComparison = {
  /** The pipeline in the commit; undefined where there was none. */
  readonly before: CheckedPipeline | undefined
  readonly effects: readonly TableEffect[]
  /** The columns that are derived from each changed column. */
  readonly reach: readonly ColumnReach[]
  /** Of the affected tables. */
  readonly measures: readonly Measure[]
}

/**
 * Compares a pipeline with its text in a commit.
 * @throws {ConfigError} terminal: there is no such commit, or the text there is invalid
 */
export async function changesAgainst(
  folder: string,
  pipeline: CheckedPipeline,
  revision: string,
  { engine }: Pick<PlatformConfig, 'engine'>,
): Promise<TextComparison> {
  const there = await openGitFolder(folder, revision)
  await using typing = await openEngine({ engine: { ...engine, scratchDirectory: path.join(tmpdir(), 'cinelake') } })
  await using session = await typing.session()
  const isThere = (await there.read('pipeline.yaml')) !== undefined
  const read = isThere ? await readPipeline(there, { typer: createSqlTyper(session) }) : undefined
  if (read !== undefined && read.pipeline === undefined) {
    const errors = read.problems.filter(({ severity }) => severity === 'error')
    throw new ConfigError(`the pipeline in ${folder} at ${revision} cannot be used`, errors.map(formatProblem))
  }
  const before = read?.pipeline
  const effects = await textChanges(before, pipeline)
  const reach = await columnReach(session, before, pipeline, effects)
  const all = await measuresOf(session, pipeline)
  const changed = effects.filter(({ state }) => state !== 'unchanged')
  const tables = new Set(changed.flatMap(({ table, models }) => [table, ...models]))
  return { before, effects, reach, measures: all.filter(({ table }) => tables.has(table)) }
}

export type Comparison = Omit<TextComparison, 'before'> & {
  readonly pipeline: CheckedPipeline
  readonly revision: string
  /** The windows that a change affects when they are run again: from the first to the last complete one. */
  readonly windows: readonly Window[]
  readonly rows: RowComparison
}

/** The comparison for machines. */
export function againstAsJson({ pipeline, revision, effects, reach, measures, windows, rows }: Comparison): object {
  const labels = windows.map(({ label }) => label)
  return { pipeline: pipeline.name, against: revision, tables: effects, reach, measures, windows: labels, rows }
}
