import { proxyFrom, silentLog, systemClock, type Window } from '@cinelake/core'
import type { RestDataset, RestSource } from '@cinelake/pipeline'
import { azureCredential } from '@cinelake/service/azure'
import { firstPages, type FirstPages } from '@cinelake/source-rest'
import { mkdtemp } from 'node:fs/promises'
import path from 'node:path'
import { formatCount } from '../output/format-value.ts'
import { chosenWindows } from '../windows.ts'
import { nothing, ofCsv, withoutCsv } from './csv-sample.ts'
import { explodedRows } from './exploded-rows.ts'
import type { Reading } from './reading.ts'
import { rowsOf, type Sample } from './sample.ts'

/** Rows of a parent that are looked at, and of them those that are asked about. */
const PARENT_ROWS = 20
const MAX_PARENTS = 5

type RestReading = Reading & { readonly source: RestSource; readonly asked: Window }

/** The first records of a dataset of an API, also of one that is made of the rows of another. */
export async function ofApi(reading: Reading): Promise<Sample> {
  const { target, window, now } = reading
  const { source, pipeline } = target
  const [asked] = chosenWindows(pipeline, { force: true, ...(window === undefined ? {} : { window }) }, now)
  if (source.type !== 'rest' || asked === undefined) throw new RangeError('expected an API')
  const sample = await ofDataset(target.dataset, { ...reading, source, asked })
  return { ...sample, ...(window === undefined ? {} : { window: asked.label }) }
}

async function ofDataset(name: string, reading: RestReading): Promise<Sample> {
  const dataset = reading.source.datasets.find((one) => one.name === name)
  if (dataset === undefined) throw new RangeError(`expected a dataset ${name}`)
  const { parent, explodedFrom } = dataset
  if (explodedFrom !== undefined) {
    const owners = await ofDataset(explodedFrom.dataset, reading)
    const sample = explodedRows(owners, { ...explodedFrom, flatten: dataset.flatten ?? {}, limit: reading.limit })
    if (sample.rows.length > 0) return { facts: owners.facts, ...sample }
    throw nothing(
      reading.target,
      `an item in the list ${explodedFrom.field} of ${explodedFrom.dataset}`,
      ANOTHER_WINDOW,
    )
  }
  return parent === undefined ? await ofPages(dataset, reading) : await ofChildren(dataset, parent, reading)
}

const ANOTHER_WINDOW = 'try another window with `--window`'

async function ofPages(dataset: RestDataset, reading: RestReading): Promise<Sample> {
  const pages = await askedFor(dataset, reading)
  const facts: [string, string][] = [
    ['asked', `${pagesText(pages.pageCount)} of window ${reading.asked.label}`],
    ['pagination', paginationText(dataset, pages)],
  ]
  if (pages.rowCount === 0) throw nothing(reading.target, `a record of ${dataset.name}`, ANOTHER_WINDOW)
  const sample = withoutCsv(
    await ofCsv({ name: dataset.name, file: pages.file }, { ...reading, dataset: dataset.name, facts }),
  )
  return { ...sample, isAll: sample.isAll && !pages.hasMore, ...paginationOf(dataset, pages) }
}

/** A child's first records: those of the first of its parents. */
async function ofChildren(
  dataset: RestDataset,
  { dataset: parent, fields }: NonNullable<RestDataset['parent']>,
  reading: RestReading,
): Promise<Sample> {
  const owners = await ofDataset(parent, { ...reading, limit: PARENT_ROWS })
  const keys = keysOf(owners, fields).slice(0, MAX_PARENTS)
  const records: Map<string, string | null>[] = []
  const answers: FirstPages[] = []
  for (const key of keys) {
    const pages = await askedFor(ofParent(dataset, parent, key), { ...reading, limit: reading.limit - records.length })
    answers.push(pages)
    if (pages.rowCount === 0) continue
    const { columns, rows } = await ofCsv({ name: dataset.name, file: pages.file }, { ...reading, facts: [] })
    for (const row of rows) {
      const first = [...key].map(([field, value]) => [`${parent}.${field}`, value] as const)
      records.push(new Map([...first, ...columns.map(({ name }, index) => [name, row[index] ?? null] as const)]))
    }
    if (records.length >= reading.limit) break
  }
  const [first] = answers
  if (first === undefined) throw nothing(reading.target, `rows of ${parent} with ${fields.join(', ')}`, ANOTHER_WINDOW)
  if (records.length === 0) throw nothing(reading.target, `a record of ${dataset.name}`, ANOTHER_WINDOW)
  const pageCount = answers.reduce((sum, answer) => sum + answer.pageCount, 0)
  const from = `${pagesText(pageCount)} for ${formatCount(answers.length)} rows of ${parent}`
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

/** What tells a parent's rows apart in a child's path, of those that may stand there as they are. */
function keysOf({ columns, rows }: Sample, fields: readonly string[]): ReadonlyMap<string, string>[] {
  const places = fields.map((field) => columns.findIndex(({ name }) => name === field))
  const keys = rows.map((row) => new Map(fields.map((field, index) => [field, row[places[index] ?? -1] ?? ''])))
  const usable = keys.filter((key) => [...key.values()].every((value) => /^[\w~-][\w.~-]*$/.test(value)))
  return [...new Map(usable.map((key) => [JSON.stringify([...key.values()]), key])).values()]
}

/** The dataset as it is asked for by one row of its parent. */
function ofParent(dataset: RestDataset, parent: string, key: ReadonlyMap<string, string>): RestDataset {
  let { path } = dataset
  for (const [field, value] of key) path = path.replaceAll(`{${parent}.${field}}`, value)
  return { ...dataset, path, parent: undefined }
}

async function askedFor(dataset: RestDataset, reading: RestReading): Promise<FirstPages> {
  const { target, source, asked: window, fill, settings, limit, signal } = reading
  const directory = await mkdtemp(path.join(reading.directory, 'pages-'))
  const about = { fill, clock: systemClock, log: silentLog, azure: azureCredential, proxy: proxyFrom(settings) }
  return await firstPages(target.pipeline, { source, dataset, window }, { ...about, directory, limit, signal })
}

const pagesText = (count: number) => `${formatCount(count)} page${count === 1 ? '' : 's'}`

function paginationText({ pagination: { type } }: RestDataset, { recognised, unknown }: FirstPages): string {
  if (unknown !== undefined) return unknown
  if (recognised !== undefined && recognised.type !== 'none') return `${recognised.type}, recognised`
  return type === 'auto' || type === 'none' ? 'none: nothing in the answer leads to another page' : type
}

/** What the text does not say of it, and was found out. */
function paginationOf({ pagination }: RestDataset, { recognised }: FirstPages): Pick<Sample, 'pagination'> {
  const isUnsaid = pagination.type === 'none' && recognised !== undefined && recognised.type !== 'none'
  return isUnsaid ? { pagination: { type: 'auto' } } : {}
}
