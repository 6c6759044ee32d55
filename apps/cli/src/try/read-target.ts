import { closestName, ConfigError } from '@cinelake/core'
import { readPipeline, type CheckedPipeline, type CheckedSource, type PipelineFolder } from '@cinelake/pipeline'
import { Document, isMap, isScalar, stringify } from 'yaml'
import { PIPELINE_FILE, documentText } from './folder-text.ts'

/** A dataset to try, with only the necessary part of its pipeline. */
export type Target = {
  readonly pipeline: CheckedPipeline
  readonly source: CheckedSource
  readonly dataset: string
  /** The contract's file, relative to the folder. */
  readonly contract: string
}

/** An empty contract: the columns are still to be inferred. */
const STUB = 'contract.stub.yaml'

/** Keys of a dataset that refer to its contract's columns. */
const ABOUT_COLUMNS = ['columns', 'newestBy', 'partitionBy', 'duplicates', 'contract', 'drift']

/**
 * Reads one dataset of a pipeline. Its contract may be missing, and the pipeline's other parts may be invalid.
 * @param name `<source>/<dataset>`
 * @throws {ConfigError} terminal: there is no such dataset, or its text is invalid
 */
export async function readTarget(folder: string, document: Document, name: string): Promise<Target> {
  const [source = '', dataset = '', ...rest] = name.split('/')
  const known = datasetsOf(document)
  if (rest.length > 0 || !known.includes(`${source}/${dataset}`)) {
    const problem = `${name}: expected a source and a dataset of ${folder}/${PIPELINE_FILE}, one of ${known.join(', ') || 'none'}`
    const meant = closestName(name, known) ?? known.find((each) => each.endsWith(`/${name}`))
    const hint = meant === undefined ? '' : `; did you mean \`${meant}\`?`
    throw new ConfigError('there is no such dataset', [`${problem}${hint}`])
  }
  const said = document.getIn(['sources', source, 'datasets', dataset, 'contract'])
  const contract = typeof said === 'string' ? said : `contracts/${dataset}.yaml`
  let problems: string[] = []
  // Some settings are valid for one mode only.
  for (const mode of ['append', 'merge']) {
    const files = { [PIPELINE_FILE]: alone(document, source, dataset, mode), [STUB]: stubOf(dataset) }
    const read = await readPipeline(onlyFiles(files))
    const found = read.pipeline?.sources[0]
    if (read.pipeline !== undefined && found !== undefined)
      return { pipeline: read.pipeline, source: found, dataset, contract }
    problems = read.problems
      .filter(({ severity }) => severity === 'error')
      .map(({ message, remedy }) => `${message}; ${remedy}`)
  }
  throw new ConfigError(`the dataset ${name} cannot be used`, problems)
}

/** Models and other contracts are dropped: they may depend on missing parts. */
function onlyFiles(files: Readonly<Record<string, string>>): PipelineFolder {
  return { read: async (file) => files[file], list: async () => [] }
}

/** `<source>/<dataset>` of all declared datasets. */
function datasetsOf(document: Document): string[] {
  return keysOf(document, ['sources']).flatMap((source) =>
    keysOf(document, ['sources', source, 'datasets']).map((dataset) => `${source}/${dataset}`),
  )
}

/** The pipeline's text with only this dataset and the datasets that it is derived from. */
function alone(document: Document, source: string, dataset: string, mode: string): string {
  // Aliases are expanded: their anchors may be in a dropped part.
  const copy = new Document(document.toJS(), { aliasDuplicateObjects: false })
  for (const key of ['models', 'serve', 'uses']) copy.delete(key)
  for (const other of keysOf(copy, ['sources'])) if (other !== source) copy.deleteIn(['sources', other])
  for (const kept of withoutOthers(copy, source, dataset)) {
    const place = ['sources', source, 'datasets', kept]
    for (const key of ABOUT_COLUMNS) copy.deleteIn([...place, key])
    copy.setIn([...place, 'contract'], STUB)
    copy.setIn([...place, 'mode'], mode)
    if (mode === 'merge') copy.setIn([...place, 'newestBy'], ['id'])
  }
  return documentText(copy)
}

/** An empty contract, to check the rest of the text. */
export function stubOf(dataset: string): string {
  return stringify({
    apiVersion: 'v3.1.0',
    kind: 'DataContract',
    id: 'stub',
    version: '0',
    status: 'draft',
    schema: [{ name: dataset, properties: [{ name: 'id', logicalType: 'string', primaryKey: true }] }],
  })
}

/** The names in a mapping of a pipeline's text. */
function keysOf(document: Document, place: readonly string[]): string[] {
  const node = document.getIn(place)
  return isMap(node) ? node.items.map(({ key }) => String(isScalar(key) ? key.value : key)) : []
}

/**
 * Removes all datasets of a source from a pipeline's text, except for one and those that it is derived from.
 * @returns the remaining ones
 */
function withoutOthers(document: Document, source: string, dataset: string): string[] {
  const place = ['sources', source, 'datasets']
  const all = keysOf(document, place)
  const kept = new Set<string>()
  for (let next: string | undefined = dataset; next !== undefined && !kept.has(next);) {
    kept.add(next)
    next = parentOf(document, place, next, all)
  }
  for (const other of all) {
    if (!kept.has(other)) document.deleteIn([...place, other])
    else keepLists(document, [...place, other, 'explode'], kept)
  }
  return all.filter((name) => kept.has(name))
}

/** The dataset that a path names (`/users/{users.id}/devices`), or whose list is exploded into this one. */
function parentOf(
  document: Document,
  place: readonly string[],
  name: string,
  all: readonly string[],
): string | undefined {
  const path = document.getIn([...place, name, 'path'])
  return all.find(
    (other) =>
      other !== name &&
      ((typeof path === 'string' && path.includes(`{${other}.`)) ||
        keysOf(document, [...place, other, 'explode']).some(
          (list) => document.getIn([...place, other, 'explode', list]) === name,
        )),
  )
}

function keepLists(document: Document, explode: readonly string[], kept: ReadonlySet<string>): void {
  for (const list of keysOf(document, explode)) {
    if (!kept.has(String(document.getIn([...explode, list])))) document.deleteIn([...explode, list])
  }
  if (document.hasIn(explode) && keysOf(document, explode).length === 0) document.deleteIn(explode)
}
