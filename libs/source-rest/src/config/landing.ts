import { text, withoutPlaceholders } from '@cinelake/config-text'
import { suggest } from '@cinelake/core'
import { checkExplodeNames, explode, parentInText, type SourcePlace } from '@cinelake/source-kind'
import { z } from 'zod'

/** How an object within a record is written: its fields as columns (`address.city`), or as JSON in one column. */
export const Flatten = z.enum(['dots', 'json'])
export type Flatten = z.infer<typeof Flatten>

/** How fields that are not in the contract are handled. */
export const DriftPolicy = z.enum(['evolve', 'ignore', 'rescue', 'fail'])
export type DriftPolicy = z.infer<typeof DriftPolicy>

/** How the records of a REST dataset become rows. */
export const datasetLanding = {
  /** Key fields, by their names in the file. Of several records with one key the last is kept. */
  key: z.array(z.string()).optional(),
  /** By field, `*` for all others. */
  flatten: z.record(z.string(), Flatten).optional(),
  /** Default: `evolve`. */
  drift: DriftPolicy.optional(),
  /** Whether a second file is landed that is safe to open in a spreadsheet. */
  guardFormulas: z.boolean().optional(),
  /** The path contains values of another dataset's rows (`{users.id}`); one request, or one sequence of pages, for each. */
  parent: z
    .object({
      dataset: z.string(),
      /** Columns of the parent's file in the path, in order. */
      fields: z.array(z.string()).min(1),
      /** Parents that are requested concurrently. */
      concurrency: z.int().positive(),
    })
    .optional(),
  /** The rows are the items of a list in another dataset's rows; nothing is requested. */
  explodedFrom: z
    .object({
      dataset: z.string(),
      field: z.string(),
      /** Columns copied from the parent. */ key: z.array(z.string()),
    })
    .optional(),
}

const names = z.array(text).min(1, 'expected at least one name')

/** A dataset's settings of how its records become rows. */
export const landingText = {
  key: names
    .optional()
    .describe('Fields that tell records apart: what is read twice because the data moved between pages lands once.'),
  flatten: z
    .union([Flatten, z.record(text, Flatten)])
    .optional()
    .describe(
      'Objects within records: `dots` (columns `address.city`) or `json`; for all, or by field. Default: `dots`.',
    ),
  drift: DriftPolicy.optional().describe(
    'Fields that the contract does not know: `evolve` (columns of their own), `ignore`, `rescue` (into `_rescued`), `fail`. Default: `evolve`.',
  ),
  explode: explode.describe('Lists whose items are rows of another dataset: `{ orders: user_orders }`. Needs `key`.'),
  guardFormulas: z
    .boolean()
    .optional()
    .describe('A second file, safe to be opened in a spreadsheet, beside the exact one. Default: false.'),
  parallel: z
    .int()
    .positive('expected a number above 0')
    .optional()
    .describe('With `{dataset.field}` in the path: parents asked about at once. Default: 4.'),
}

const Landing = z.object(datasetLanding)
type Landing = z.infer<typeof Landing>
const LandingText = z.object(landingText)
/** The parts of a dataset that its landing depends on. */
type LandingText = z.infer<typeof LandingText> & { readonly path?: string | undefined }
type LandingTexts = Readonly<Record<string, LandingText>>

/** Default number of parents requested concurrently. */
const DEFAULT_PARALLEL = 4

/** `{users.id}`, `{users.home.city}`: a column of another dataset. The window's own placeholders are not references to a dataset. */
const PARENT_FIELD = /\{([A-Za-z][A-Za-z0-9_]*)\.([^{}:]+)\}/g

/** The references in a text to columns of a parent dataset. */
function parentFieldsIn(text: string): { readonly form: string; readonly dataset: string; readonly field: string }[] {
  return [...withoutPlaceholders(text).matchAll(PARENT_FIELD)]
    .map(([form, dataset = '', field = '']) => ({ form, dataset, field }))
    .filter(({ dataset }) => dataset !== 'window')
}

/** A path without them, for code that knows the other placeholders only. */
export function withoutParentFields(path: string): string {
  return parentFieldsIn(path).reduce((rest, { form }) => rest.replaceAll(form, ''), path)
}

/** Validates how a dataset's records become rows, and on which other datasets it depends. */
export function readLanding(name: string, rest: LandingText, datasets: LandingTexts, place: SourcePlace): Landing {
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
  checkExplodeNames(name, datasets, place)
  checkExplodedKey(rest, place)
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
  { path = '', parallel = DEFAULT_PARALLEL }: LandingText,
  datasets: LandingTexts,
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

function isOwnAncestor(name: string, parent: string, datasets: LandingTexts): boolean {
  const seen = new Set<string>()
  for (let at: string | undefined = parent; at !== undefined && !seen.has(at);) {
    if (at === name) return true
    seen.add(at)
    at = parentFieldsIn(datasets[at]?.path ?? '')[0]?.dataset ?? explodedFromOf(at, datasets)?.dataset
  }
  return false
}

function explodedFromOf(name: string, datasets: LandingTexts): Landing['explodedFrom'] {
  const parent = parentInText(name, datasets)
  return parent && { ...parent, key: [...(datasets[parent.dataset]?.key ?? [])] }
}

function checkExplodedKey(
  { explode: lists = {}, key }: LandingText,
  { text: yaml, path, problems }: SourcePlace,
): void {
  if (key !== undefined) return
  for (const [field, child] of Object.entries(lists))
    problems.error(
      yaml.at([...path, 'explode', field]),
      `rows of \`${child}\` could not say whose they are`,
      'add `key` with the fields that tell the records apart: `key: [id]`',
    )
}
