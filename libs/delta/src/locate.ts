import { formerRefinedPath, formerRejectsPath, refinedPath, rejectsPath } from '@cinelake/contracts'
import type { CallOptions, Lake } from '@cinelake/lake'
import { commitPath, lastCheckpointPath } from './log/paths.ts'
import { readCommit, readLog } from './log/reader.ts'

type Log = Pick<Lake, 'stat' | 'readText'>

/**
 * Where a pipeline's refined table is, or will be: in the pipeline's own folder. A table of the older layout, without a
 * folder per pipeline, stays where it is. Two or three small requests.
 */
export async function locateTable(
  lake: Lake,
  pipeline: string,
  table: string,
  options: CallOptions = {},
): Promise<string> {
  return await locate(lake, pipeline, { own: refinedPath(pipeline, table), former: formerRefinedPath(table) }, options)
}

/** The same for the rows that a table's tasks rejected. */
export async function locateRejects(
  lake: Lake,
  pipeline: string,
  table: string,
  options: CallOptions = {},
): Promise<string> {
  return await locate(lake, pipeline, { own: rejectsPath(pipeline, table), former: formerRejectsPath(table) }, options)
}

/**
 * A table of the older layout, of this name, that belongs to another pipeline although this one wrote into it: this
 * pipeline can no longer reach its rows there. Reads the whole log: call it where a table is created, not on each use.
 */
export async function tableTakenByOther(
  lake: Lake,
  pipeline: string,
  table: string,
  options: CallOptions = {},
): Promise<{ readonly path: string; readonly owner: string } | undefined> {
  const path = formerRefinedPath(table)
  if (!(await hasLog(lake, path, options))) return undefined
  const owner = await ownerOf(lake, path, options)
  if (owner === undefined || owner === pipeline) return undefined
  const { txns } = (await readLog(lake, path, options)) ?? {}
  return [...(txns?.keys() ?? [])].some((appId) => pipelineIn(appId) === pipeline) ? { path, owner } : undefined
}

type Places = { readonly own: string; readonly former: string }

async function locate(lake: Lake, pipeline: string, { own, former }: Places, options: CallOptions): Promise<string> {
  if (await hasLog(lake, own, options)) return own
  return (await ownerOf(lake, former, options)) === pipeline ? former : own
}

/** A log whose first entries were cleaned up by another program has a checkpoint. */
async function hasLog(lake: Log, path: string, options: CallOptions): Promise<boolean> {
  if ((await lake.stat(commitPath(path, 0), options)) !== undefined) return true
  return (await lake.stat(lastCheckpointPath(path), options)) !== undefined
}

/**
 * The pipeline that made a table: its first commit's. Where that is gone, or another program's, the pipeline by which
 * all commits of tasks are.
 * @returns undefined where there is no table, or it is no single pipeline's
 */
async function ownerOf(lake: Lake, path: string, options: CallOptions): Promise<string | undefined> {
  const first = await readCommit(lake, path, 0, options)
  const appId = first?.actions.find(({ txn }) => txn !== undefined)?.txn?.appId
  if (appId !== undefined) return pipelineIn(appId)
  if (first === undefined && (await lake.stat(lastCheckpointPath(path), options)) === undefined) return undefined
  const { txns } = (await readLog(lake, path, options)) ?? {}
  const [owner, ...others] = new Set([...(txns?.keys() ?? [])].flatMap((each) => pipelineIn(each) ?? []))
  return others.length === 0 ? owner : undefined
}

/** The pipeline of a task's commit: `<pipeline>@<window>/<task>`. */
function pipelineIn(appId: string): string | undefined {
  const at = appId.indexOf('@')
  return at <= 0 ? undefined : appId.slice(0, at)
}
