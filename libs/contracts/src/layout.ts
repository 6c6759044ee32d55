/*
 * Where things are in the lake. What a pipeline lands and makes is below a folder of its name, so that two pipelines may
 * use one name for a source, a dataset or a model. Paths of lakes that were laid out before pipelines had folders of their
 * own are `former…` here: they are read, and a table that is there is written there.
 */

/** What raw is divided into, by kind of source. */
export type RawKind = 'files' | 'api' | 'database' | 'push'

/** Folders of raw that hold what services keep for themselves; the name of a pipeline begins with a letter. */
const LANDED = 'raw/_landed'
const LANDING = 'raw/_landing'
const DISCOVERED = 'raw/_discovered'
const REFINED = 'refined'
const REJECTS = '_rejects'

/** The folders of raw in lakes of before: `raw/files/<source>/…`. */
const FORMER_RAW: ReadonlySet<string> = new Set<RawKind>(['files', 'api', 'database', 'push'])

/**
 * Lake path of a folder for what lands from a dataset: `raw/<pipeline>/<kind>/<source>/<dataset>`. A pipeline that has the
 * name of a folder of before gets another one, with a character that no name has.
 */
export function rawFolder(pipeline: string, kind: RawKind, source: string, dataset: string): string {
  const own = FORMER_RAW.has(pipeline.toLowerCase()) ? `${pipeline}.pipeline` : pipeline
  return `raw/${own}/${kind}/${source}/${dataset}`
}

/** What was pushed to a dataset before pipelines had folders of their own. */
export function formerPushFolder(source: string, dataset: string): string {
  return `raw/push/${source}/${dataset}`
}

/** Lake path of a task's manifest. `taskFile` is `taskFileName(task)`; a re-run of a finished window has its own. */
export function manifestPath(pipeline: string, windowLabel: string, taskFile: string, generation: number): string {
  return `${landedFolder(pipeline, windowLabel)}/${taskFile}${suffixOf(generation)}.json`
}

/** The manifests of a window. */
export function landedFolder(pipeline: string, windowLabel: string): string {
  return `${LANDED}/${pipeline}/${windowLabel}`
}

/** Which window lands which bytes of a dataset that takes each file once. */
export function landedFilesFolder(pipeline: string, source: string, dataset: string): string {
  return `${LANDED}/${pipeline}/_files/${source}.${dataset}`
}

/** Where a task keeps what it has landed before it has landed everything; window and task as the kind of source names them. */
export function landingPath(pipeline: string, window: string, task: string): string {
  return `${LANDING}/${pipeline}/${window}/${task}`
}

/** The tables that each window found in a database. */
export function discoveredFolder(pipeline: string, source: string): string {
  return `${DISCOVERED}/${pipeline}/${source}`
}

/** The consistent snapshot that the tables of a run are read as of. */
export function sharedSnapshotPath(pipeline: string, source: string, windowLabel: string, generation: number): string {
  return `${DISCOVERED}/${pipeline}/_moments/${source}/${windowLabel}${suffixOf(generation)}.json`
}

/** Where a check writes and deletes again, to see that it may. */
export function probePath(name: string): string {
  return `${LANDED}/_probe/${name}.json`
}

/** A refined table. One that was made before pipelines had folders of their own may be elsewhere: ask `locateTable`. */
export function refinedPath(pipeline: string, table: string): string {
  return `${REFINED}/${pipeline}/${table}`
}

/** The rows that a table's tasks rejected; ask `locateRejects`. */
export function rejectsPath(pipeline: string, table: string): string {
  return `${REFINED}/${pipeline}/${REJECTS}/${table}`
}

/** Which version of another pipeline's table the builds of a window read; a re-run of the window decides for itself. */
export function usedVersionPath(pipeline: string, windowLabel: string, table: string, generation: number): string {
  return `${REFINED}/${pipeline}/_uses/${windowLabel}/${table}${suffixOf(generation)}.json`
}

export function formerRefinedPath(table: string): string {
  return `${REFINED}/${table}`
}

export function formerRejectsPath(table: string): string {
  return `${REFINED}/${REJECTS}/${table}`
}

/** A later try of what was done already has its own files beside the first ones. */
function suffixOf(generation: number): string {
  return generation === 1 ? '' : `.g${generation}`
}
