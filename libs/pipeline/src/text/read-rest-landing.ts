import type { RestDataset } from '../checked/rest-source.ts'
import { suggest } from '@cinelake/core'
import { withoutPlaceholders } from './placeholders.ts'
import type { RestDatasetText, RestSourceText } from './rest-source-schema.ts'
import type { SourcePlace } from './source-place.ts'

type Landing = Pick<RestDataset, 'key' | 'flatten' | 'drift' | 'guardFormulas' | 'parent' | 'explodedFrom'>

/** Parents asked about at once, where nothing is said. */
const DEFAULT_PARALLEL = 4

/** `{users.id}`, `{users.home.city}`: a column of another dataset. The window's own words are no dataset. */
const PARENT_FIELD = /\{([A-Za-z][A-Za-z0-9_]*)\.([^{}:]+)\}/g

/** A dataset's columns of its parent that a text names. */
function parentFieldsIn(text: string): { readonly form: string; readonly dataset: string; readonly field: string }[] {
  return [...withoutPlaceholders(text).matchAll(PARENT_FIELD)]
    .map(([form, dataset = '', field = '']) => ({ form, dataset, field }))
    .filter(({ dataset }) => dataset !== 'window')
}

/** A path without them, for those who know other placeholders only. */
export function withoutParentFields(path: string): string {
  return parentFieldsIn(path).reduce((rest, { form }) => rest.replaceAll(form, ''), path)
}

/** Checks how a dataset's records become rows, and what other datasets it depends on. */
export function readRestLanding(
  name: string,
  rest: RestDatasetText,
  datasets: RestSourceText['datasets'],
  place: SourcePlace,
): Landing {
  const { key, flatten, drift, guardFormulas } = rest
  const parent = readParent(name, rest, datasets, place)
  const explodedFrom = explodedFromOf(name, datasets)
  if (rest.path === undefined && explodedFrom === undefined) {
    place.problems.error(
      place.text.atKey(place.path),
      `\`${name}\` has no \`path\``,
      'say where its records are, below `baseUrl`, or name it in the `explode` of another dataset',
    )
  }
  if (rest.path !== undefined && explodedFrom !== undefined) {
    place.problems.error(
      place.text.at([...place.path, 'path']),
      `\`${name}\` is made of the rows of \`${explodedFrom.dataset}\` and asks for nothing`,
      'leave `path` out, or take it out of `explode`',
    )
  }
  checkExplode(name, rest, datasets, place)
  return {
    ...(key === undefined ? {} : { key }),
    ...(flatten === undefined ? {} : { flatten: typeof flatten === 'string' ? { '*': flatten } : flatten }),
    ...(drift === undefined ? {} : { drift }),
    ...(guardFormulas === undefined ? {} : { guardFormulas }),
    ...(parent === undefined ? {} : { parent }),
    ...(explodedFrom === undefined ? {} : { explodedFrom }),
  }
}

function readParent(
  name: string,
  { path = '', parallel = DEFAULT_PARALLEL }: RestDatasetText,
  datasets: RestSourceText['datasets'],
  place: SourcePlace,
): Landing['parent'] {
  const named = parentFieldsIn(path)
  const [first] = named
  if (first === undefined) return undefined
  const at = place.text.at([...place.path, 'path'])
  const { dataset } = first
  const known = Object.keys(datasets).filter((other) => other !== name)
  if (!known.includes(dataset)) {
    place.problems.error(at, `the path names the unknown dataset \`${dataset}\``, suggest(dataset, known))
  }
  if (named.some((other) => other.dataset !== dataset)) {
    place.problems.error(at, 'the path names several datasets', 'a dataset has one parent: name columns of one')
  }
  if (isOwnAncestor(name, dataset, datasets)) {
    place.problems.error(
      at,
      `\`${name}\` and \`${dataset}\` wait for each other`,
      'name a dataset that does not need this one',
    )
  }
  return { dataset, fields: [...new Set(named.map(({ field }) => field))], concurrency: parallel }
}

function isOwnAncestor(name: string, parent: string, datasets: RestSourceText['datasets']): boolean {
  const seen = new Set<string>()
  for (let at: string | undefined = parent; at !== undefined && !seen.has(at);) {
    if (at === name) return true
    seen.add(at)
    at = parentFieldsIn(datasets[at]?.path ?? '')[0]?.dataset ?? explodedFromOf(at, datasets)?.dataset
  }
  return false
}

function explodedFromOf(name: string, datasets: RestSourceText['datasets']): Landing['explodedFrom'] {
  for (const [dataset, { explode = {}, key = [] }] of Object.entries(datasets)) {
    const field = Object.keys(explode).find((list) => explode[list] === name)
    if (field !== undefined) return { dataset, field, key: [...key] }
  }
  return undefined
}

function checkExplode(
  name: string,
  { explode = {}, key }: RestDatasetText,
  datasets: RestSourceText['datasets'],
  { text, path, problems }: SourcePlace,
): void {
  for (const [field, child] of Object.entries(explode)) {
    if (datasets[child] === undefined || child === name) {
      problems.error(
        text.at([...path, 'explode', field]),
        `\`explode\` names the unknown dataset \`${child}\``,
        suggest(
          child,
          Object.keys(datasets).filter((other) => other !== name),
        ),
      )
    }
    if (key === undefined) {
      problems.error(
        text.at([...path, 'explode', field]),
        `rows of \`${child}\` could not say whose they are`,
        'add `key` with the fields that tell the records apart: `key: [id]`',
      )
    }
  }
}
