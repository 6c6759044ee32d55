import path from 'node:path'
import { ConfigError, type Window } from '@cinelake/core'
import {
  type CheckedPipeline,
  type ColumnReach,
  type Measure,
  type PipelineFolder,
  type TableEffect,
  columnReach,
  createSqlTyper,
  formatProblem,
  measuresOf,
  readPipeline,
  textChanges,
} from '@cinelake/pipeline'
import { execFile } from 'node:child_process'
import { tmpdir } from 'node:os'
import { promisify } from 'node:util'
import type { RowComparison } from './compare-rows.ts'
import { openEngine } from '../open-parts.ts'
import type { PlatformConfig } from '../settings.ts'

/** How a pipeline's text differs from that of a commit. */
type TextComparison = {
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

const run = promisify(execFile)

/** Bytes. Limit for one text file. */
const MAX_FILE_BYTES = 16 * 1024 * 1024

/**
 * A pipeline's folder in a commit. Nothing is checked out.
 * @param revision any name that git has for a commit: `main`, `v1.2`, `HEAD~3`
 * @throws {ConfigError} terminal: the folder is in no repository, git is missing, or there is no such commit
 */
async function openGitFolder(folder: string, revision: string): Promise<PipelineFolder> {
  const root = path.resolve(folder)
  const git = async (...args: string[]): Promise<string> =>
    (await run('git', ['-C', root, ...args], { maxBuffer: MAX_FILE_BYTES })).stdout
  const commit = await git('rev-parse', '--verify', '--quiet', '--end-of-options', `${revision}^{commit}`).then(
    (text) => text.trim(),
    (error: unknown) => {
      throw new ConfigError('there is nothing to compare with', [`${folder} at ${revision}: ${whyNone(error)}`])
    },
  )
  const entries = async (at: string): Promise<string[]> => {
    const text = await git('ls-tree', '-z', '--name-only', commit, '--', at === '.' ? './' : `./${at}`)
    return text.split('\0').filter((name) => name !== '')
  }
  return {
    async read(file) {
      if ((await entries(file)).length === 0) return undefined
      return await git('show', `${commit}:./${file}`)
    },
    async list(inside) {
      const names = await entries(inside === '.' ? '.' : `${inside}/`)
      return names.map((name) => path.posix.basename(name)).sort((one, other) => (one < other ? -1 : 1))
    },
  }
}

/** Translates git's message to this program's terms; an unknown message is kept. */
function whyNone(error: unknown): string {
  const { code, stderr = '' } = error as { readonly code?: string | number; readonly stderr?: string }
  if (code === 'ENOENT') return 'expected git to be installed, got no such command'
  // With `--quiet`, git does not report an unknown name as an error.
  if (stderr.trim() === '')
    return 'there is no such commit; expected a branch, a tag or a commit of the git repository that the folder is in (`git branch -a` lists its branches)'
  if (stderr.includes('not a git repository')) return 'expected a folder in a git repository, got one in none'
  return `expected a commit of the git repository that the folder is in, got: ${stderr.trim().replace(/\s*\n\s*/g, ' ')}`
}
