import type { Window } from '@cinelake/core'
import {
  nothing,
  rowsOf,
  withFacts,
  withoutCsv,
  type PreviewDeps,
  type Sample,
  type SourceInPipeline,
} from '@cinelake/source-kind'
import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import type { RestDataset, RestSource } from '../config/index.ts'
import { explodedRows } from './exploded-rows.ts'
import { firstPages, type FirstPages, type FirstPagesDeps } from './first-pages.ts'

export type RestPreviewDeps = PreviewDeps & FirstPagesDeps

/** Rows of a parent that are read, and the number of them that are requested. */
const PARENT_ROWS = 20
const MAX_PARENTS = 5

type Reading = RestPreviewDeps &
  SourceInPipeline<RestSource> & {
    /** The dataset that is previewed; others are only the source of its parents' rows. */
    readonly dataset: string
    /** `<source>/<dataset>` */
    readonly name: string
    readonly asked: Window
  }

/** The first records of a dataset of an API, also of one that depends on the rows of another. */
export async function previewRest(
  place: SourceInPipeline<RestSource>,
  dataset: string,
  deps: RestPreviewDeps,
): Promise<Sample> {
  const { window: asked, isAskedFor } = deps.window()
  const sample = await ofDataset(dataset, {
    ...deps,
    ...place,
    dataset,
    name: `${place.source.name}/${dataset}`,
    asked,
  })
  return { ...sample, ...(isAskedFor ? { window: asked.label } : {}) }
}

async function ofDataset(name: string, reading: Reading): Promise<Sample> {
  const dataset = reading.source.datasets.find((one) => one.name === name)
  if (dataset === undefined) throw new RangeError(`expected a dataset ${name}`)
  const { parent, explodedFrom } = dataset
  if (explodedFrom !== undefined) {
    const owners = await ofDataset(explodedFrom.dataset, reading)
    const sample = explodedRows(owners, { ...explodedFrom, flatten: dataset.flatten ?? {}, limit: reading.limit })
    if (sample.rows.length > 0) return { facts: owners.facts, ...sample }
    throw nothing(reading.name, `an item in the list ${explodedFrom.field} of ${explodedFrom.dataset}`, ANOTHER_WINDOW)
  }
  return parent === undefined ? await ofPages(dataset, reading) : await ofChildren(dataset, parent, reading)
}

const ANOTHER_WINDOW = 'try another window with `--window`'

async function ofPages(dataset: RestDataset, reading: Reading): Promise<Sample> {
  const pages = await askedFor(dataset, reading)
  const facts: [string, string][] = [
    ['asked', `${pagesText(pages.pageCount, reading)} of window ${reading.asked.label}`],
    ['pagination', paginationText(dataset, pages)],
  ]
  if (pages.rowCount === 0) throw nothing(reading.name, `a record of ${dataset.name}`, ANOTHER_WINDOW)
  const sample = withoutCsv(
    await reading.readCsv({ name: dataset.name, file: pages.file }, dataset.name, reading.limit),
  )
  return { ...withFacts(facts, sample), isAll: sample.isAll && !pages.hasMore, ...paginationOf(dataset, pages) }
}

/** A child's first records: those of the first of its parents. */
async function ofChildren(
  dataset: RestDataset,
  { dataset: parent, fields }: NonNullable<RestDataset['parent']>,
  reading: Reading,
): Promise<Sample> {
  const owners = await ofDataset(parent, { ...reading, limit: PARENT_ROWS })
  const keys = keysOf(owners, fields).slice(0, MAX_PARENTS)
  const records: Map<string, string | null>[] = []
  const answers: FirstPages[] = []
  for (const key of keys) {
    const pages = await askedFor(ofParent(dataset, parent, key), { ...reading, limit: reading.limit - records.length })
    answers.push(pages)
    if (pages.rowCount === 0) continue
    const { columns, rows } = await reading.readCsv(
      { name: dataset.name, file: pages.file },
      reading.dataset,
      reading.limit,
    )
    for (const row of rows) {
      const first = [...key].map(([field, value]) => [`${parent}.${field}`, value] as const)
      records.push(new Map([...first, ...columns.map(({ name }, index) => [name, row[index] ?? null] as const)]))
    }
    if (records.length >= reading.limit) break
  }
  const [first] = answers
  if (first === undefined) throw nothing(reading.name, `rows of ${parent} with ${fields.join(', ')}`, ANOTHER_WINDOW)
  if (records.length === 0) throw nothing(reading.name, `a record of ${dataset.name}`, ANOTHER_WINDOW)
  const pageCount = answers.reduce((sum, answer) => sum + answer.pageCount, 0)
  const from = `${pagesText(pageCount, reading)} for ${reading.format.count(answers.length)} rows of ${parent}`
  return {
    facts: [
      ['asked', `${from}, window ${reading.asked.label}`],
      ['pagination', paginationText(dataset, first)],
    ],
    ...rowsOf(records),
    isAll: false,
    ...paginationOf(dataset, first),
  }
}

/** The distinct values of a parent's rows in a child's path that need no escaping. */
function keysOf({ columns, rows }: Sample, fields: readonly string[]): ReadonlyMap<string, string>[] {
  const places = fields.map((field) => columns.findIndex(({ name }) => name === field))
  const keys = rows.map((row) => new Map(fields.map((field, index) => [field, row[places[index] ?? -1] ?? ''])))
  const usable = keys.filter((key) => [...key.values()].every((value) => /^[\w~-][\w.~-]*$/.test(value)))
  return [...new Map(usable.map((key) => [JSON.stringify([...key.values()]), key])).values()]
}

/** The dataset as requested for one row of its parent. */
function ofParent(dataset: RestDataset, parent: string, key: ReadonlyMap<string, string>): RestDataset {
  let { path } = dataset
  for (const [field, value] of key) path = path.replaceAll(`{${parent}.${field}}`, value)
  return { ...dataset, path, parent: undefined }
}

async function askedFor(dataset: RestDataset, reading: Reading): Promise<FirstPages> {
  const { pipeline, source, asked: window } = reading
  const directory = await mkdtemp(join(reading.directory, 'pages-'))
  return await firstPages(pipeline, { source, dataset, window }, { ...reading, directory })
}

const pagesText = (count: number, { format }: Reading) => `${format.count(count)} page${count === 1 ? '' : 's'}`

function paginationText({ pagination: { type } }: RestDataset, { recognised, unknown }: FirstPages): string {
  if (unknown !== undefined) return unknown
  if (recognised !== undefined && recognised.type !== 'none') return `${recognised.type}, recognised`
  return type === 'auto' || type === 'none' ? 'none: nothing in the answer leads to another page' : type
}

/** The settings that the text does not have, and that were detected. */
function paginationOf({ pagination }: RestDataset, { recognised }: FirstPages): Pick<Sample, 'pagination'> {
  const isUnsaid = pagination.type === 'none' && recognised !== undefined && recognised.type !== 'none'
  return isUnsaid ? { pagination: { type: 'auto' } } : {}
}
