import { ConfigError, reasonOf } from '@cinelake/core'
import type { SqlEngine } from '@cinelake/engine'
import { createSqlTyper, formatProblem, readPipeline, type CheckedPipeline } from '@cinelake/pipeline'
import { readdir } from 'node:fs/promises'
import path from 'node:path'

/**
 * Reads the pipelines of a folder with one subfolder per pipeline, by name.
 * @throws {ConfigError} terminal: the folder has none, one is invalid (with every problem of every pipeline), or two
 * have one name
 */
export async function readPipelines(root: string, engine: Pick<SqlEngine, 'session'>): Promise<CheckedPipeline[]> {
  const pipelines: CheckedPipeline[] = []
  const problems: string[] = []
  for (const folder of await foldersIn(root)) {
    await using session = await engine.session()
    const read = await readPipeline(path.join(root, folder), { typer: createSqlTyper(session) })
    const errors = read.problems.filter(({ severity }) => severity === 'error')
    problems.push(...errors.map((problem) => `${folder}/${formatProblem(problem)}`))
    const { pipeline } = read
    if (pipeline === undefined) continue
    if (pipelines.some(({ name }) => name === pipeline.name)) {
      problems.push(`${folder}: expected a name of its own, got \`${pipeline.name}\`, which another folder has`)
    }
    pipelines.push(pipeline)
  }
  if (problems.length === 0 && pipelines.length === 0) {
    problems.push(`${root}: expected a folder with a pipeline.yaml in it, got none; see CINELAKE_PIPELINES`)
  }
  if (problems.length > 0) throw new ConfigError(`the pipelines in ${root} cannot be used`, problems)
  return pipelines
}

async function foldersIn(root: string): Promise<string[]> {
  try {
    const entries = await readdir(root, { withFileTypes: true })
    const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
    return names.sort()
  } catch (error) {
    const reason = reasonOf(error)
    throw new ConfigError(`the pipelines in ${root} cannot be read`, [reason], { cause: error })
  }
}
