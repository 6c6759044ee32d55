/*
 * The layout of the lake. The output of a pipeline is below a folder of its name, so that two pipelines may
 * use one name for a source, a dataset or a model. The older layout, without a folder per pipeline, is called `former…`
 * here: it is still read, and a table that exists there is still written there.
 */

/** The subfolders of raw, one per kind of source. */
export type RawKind = 'files' | 'api' | 'database' | 'push'

/** Folders of raw for the services' own data; the name of a pipeline begins with a letter, so they cannot collide. */
const LANDED = 'raw/_landed'
const LANDING = 'raw/_landing'
const DISCOVERED = 'raw/_discovered'
const REFINED = 'refined'
const REJECTS = '_rejects'

/** The folders of raw in the older layout: `raw/files/<source>/…`. */
const FORMER_RAW: ReadonlySet<string> = new Set<RawKind>(['files', 'api', 'database', 'push'])

/**
 * Lake path of the folder that a dataset lands in: `raw/<pipeline>/<kind>/<source>/<dataset>`. A pipeline named like a
 * folder of the older layout gets another folder, with a character that no name contains.
 */
export function rawFolder(pipeline: string, kind: RawKind, source: string, dataset: string): string {
  const own = FORMER_RAW.has(pipeline.toLowerCase()) ? `${pipeline}.pipeline` : pipeline
  return `raw/${own}/${kind}/${source}/${dataset}`
}

/** The folder of pushed data in the older layout. */
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

/** Ledger: which window lands which bytes of a dataset that takes each file once. */
export function landedFilesFolder(pipeline: string, source: string, dataset: string): string {
  return `${LANDED}/${pipeline}/_files/${source}.${dataset}`
}

/** The checkpoint of a task that has not landed everything yet; window and task as the source kind names them. */
export function landingPath(pipeline: string, window: string, task: string): string {
  return `${LANDING}/${pipeline}/${window}/${task}`
}

/** The tables that each window discovered in a database. */
export function discoveredFolder(pipeline: string, source: string): string {
  return `${DISCOVERED}/${pipeline}/${source}`
}

/** Which source table each refined table of included tables holds; one object for each change. */
export function includedNamesFolder(pipeline: string): string {
  return `${DISCOVERED}/${pipeline}/_names`
}

/** The consistent snapshot that all tables of a run are read from. */
export function sharedSnapshotPath(pipeline: string, source: string, windowLabel: string, generation: number): string {
  return `${DISCOVERED}/${pipeline}/_moments/${source}/${windowLabel}${suffixOf(generation)}.json`
}

/** The file that a check writes and deletes, to verify the permission. */
export function probePath(name: string): string {
  return `${LANDED}/_probe/${name}.json`
}

/** A refined table in the current layout. An older table may be elsewhere: ask `locateTable`. */
export function refinedPath(pipeline: string, table: string): string {
  return `${REFINED}/${pipeline}/${table}`
}

/** The rows that a table's tasks rejected; ask `locateRejects`. */
export function rejectsPath(pipeline: string, table: string): string {
  return `${REFINED}/${pipeline}/${REJECTS}/${table}`
}

/** The version of another pipeline's table that the builds of a window read; a re-run of the window decides again. */
export function usedVersionPath(pipeline: string, windowLabel: string, table: string, generation: number): string {
  return `${REFINED}/${pipeline}/_uses/${windowLabel}/${table}${suffixOf(generation)}.json`
}

export function formerRefinedPath(table: string): string {
  return `${REFINED}/${table}`
}

export function formerRejectsPath(table: string): string {
  return `${REFINED}/${REJECTS}/${table}`
}

/** A re-run has its own files next to the first ones. */
function suffixOf(generation: number): string {
  return generation === 1 ? '' : `.g${generation}`
}

/** Property of a refined table: start of the latest window that it holds, a UTC instant. */
export const LATEST_WINDOW = 'cinelake.window'
