import { type Clock, ConfigError, type Log, type Proxy, type Window } from '@cinelake/core'
import {
  nothing,
  type PipelineOfSource,
  type PreviewDeps,
  rowsOf,
  type Sample,
  type SourceInPipeline,
  withFacts,
  withoutCsv,
} from '@cinelake/source-kind'
import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import type { RestDataset, RestPagination, RestSource } from '../config/index.ts'
import { createWriteStream } from 'node:fs'
import { pipeline as pipe } from 'node:stream/promises'
import type { Fill } from '@cinelake/secrets'
import type { AzureIdentity } from '../auth/auth-kind.ts'
import { createTokenCache } from '../auth/token-cache.ts'
import { restErrors, RestPaginationUnknownError } from '../errors.ts'
import { createColumns, createFlattener, objectsOf, openCsvSpool, PLAIN_ROWS, RecordProblem } from '@cinelake/json-rows'
import { readPages } from '../pagination/read-pages.ts'
import { datasetRequest } from '../http/dataset-request.ts'
import { createLimiter, pause } from '../http/limiter.ts'
import { requestTimes } from '../http/request-times.ts'
import { openTaskRequests } from '../http/task-requests.ts'
import { itemRecords, POSITION } from '../children/explode-rows.ts'

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
    const sample = explodedRows(owners, explodedFrom, dataset.flatten ?? {}, reading.limit)
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

/** Maximum bytes of one page: a preview may be limited to less than a landing. */
const MAX_BODY_BYTES = 64 * 1024 * 1024
/** Maximum requests. The first shows the records, the second that pagination works. */
const MAX_PAGES = 5

export type FirstPagesDeps = {
  readonly fill: Fill
  readonly clock: Clock
  readonly log: Log
  readonly azure?: AzureIdentity | undefined
  readonly proxy?: Proxy | undefined
  /** Scratch directory for the rows. */
  readonly directory: string
  readonly limit: number
  readonly signal: AbortSignal
}

export type FirstPages = {
  /** A CSV file as the dataset would land, with a few rows only. */
  readonly file: string
  readonly rowCount: number
  readonly pageCount: number
  readonly hasMore: boolean
  /** The auto-detected pagination, if the dataset declares none. */
  readonly recognised: RestPagination | undefined
  /** Why there seem to be more pages, although no pagination was detected. */
  readonly unknown: string | undefined
}

/**
 * The first records of a dataset, requested and converted to rows as in its ingest.
 * @throws {ConfigError} terminal: the dataset depends on the rows of another one
 */
async function firstPages(
  pipeline: PipelineOfSource,
  { source, dataset, window }: { readonly source: RestSource; readonly dataset: RestDataset; readonly window: Window },
  deps: FirstPagesDeps,
): Promise<FirstPages> {
  const from = dataset.parent?.dataset ?? dataset.explodedFrom?.dataset
  if (from !== undefined) {
    const problem = `${source.name}/${dataset.name}: it is made of the rows of ${from}, which have to be landed first; run the window and look at what it landed`
    throw new ConfigError('the dataset cannot be tried by itself', [problem])
  }
  if (dataset.pagination.type !== 'none') return await read(pipeline, { source, dataset, window }, deps)
  // The pagination may not have been considered yet: is there any?
  const end = { emptyPage: false, shortPage: false }
  const auto = { type: 'auto', end, atMaxPages: 'fail', samePage: 'fail' } as const
  try {
    return await read(pipeline, { source, dataset: { ...dataset, pagination: auto }, window }, deps)
  } catch (error) {
    if (!(error instanceof RestPaginationUnknownError)) throw error
    return { ...(await read(pipeline, { source, dataset, window }, deps)), unknown: error.message }
  }
}

async function read(
  pipeline: PipelineOfSource,
  { source, dataset, window }: { readonly source: RestSource; readonly dataset: RestDataset; readonly window: Window },
  { fill, clock, log, azure, proxy, directory, limit, signal }: FirstPagesDeps,
): Promise<FirstPages> {
  const command = { source: source.name, dataset: dataset.name, since: null, window }
  const target = await datasetRequest(source, dataset, requestTimes(pipeline, command, dataset.incremental), fill)
  const common = { fill, clock, log, azure, proxy, random: Math.random, pause, maxBodyBytes: MAX_BODY_BYTES }
  const tokens = createTokenCache(clock)
  const limiterOf = () => createLimiter(source, { clock, pause })
  await using requests = await openTaskRequests(
    { ...common, tokens, limiterOf },
    { pipeline: pipeline.name, source, dataset, signal },
  )
  const name = `rows-${dataset.pagination.type}`
  await using spool = await openCsvSpool(join(directory, `${name}.spool`), {
    ...PLAIN_ROWS,
    flatten: dataset.flatten ?? {},
  })
  let pageCount = 0
  let hasMore = false
  let recognised: RestPagination | undefined
  for await (const page of readPages(source.name, dataset, target, requests.for(target))) {
    pageCount += 1
    recognised ??= page.next?.recognised
    const wanted = objectsOf(page.records).slice(0, limit - spool.rowCount)
    await spool.add(wanted, (error, index) => {
      throw error instanceof RecordProblem
        ? restErrors.REST_RECORD_INVALID(page.place, index + 1, error.message, error.remedy)
        : error
    })
    hasMore = page.next !== undefined || wanted.length < page.records.length
    if ((spool.rowCount >= limit && pageCount > 1) || pageCount >= MAX_PAGES || page.next === undefined) break
  }
  const file = join(directory, `${name}.csv`)
  await pipe(spool.content(), createWriteStream(file))
  return { file, rowCount: spool.rowCount, pageCount, hasMore, recognised, unknown: undefined }
}

/**
 * The items of a list in rows, as rows: as many as are wanted.
 * @throws {ConfigError} terminal: a value that begins like a list is not valid JSON
 */
function explodedRows(
  owners: Sample,
  { dataset, field, key }: NonNullable<RestDataset['explodedFrom']>,
  flatten: NonNullable<RestDataset['flatten']>,
  limit: number,
): Pick<Sample, 'columns' | 'rows' | 'isAll' | 'primaryKey'> {
  const unreadable = () =>
    new ConfigError('the list cannot be taken apart', [
      `expected lists in the field ${field} of ${dataset}, got a text that begins like one and is none; take it out of \`explode\``,
    ])
  const placeOf = (name: string) => owners.columns.findIndex((column) => column.name === name)
  const records = owners.rows.flatMap((row) => {
    const owner = Object.fromEntries(key.map((name) => [`${dataset}.${name}`, row[placeOf(name)] ?? null]))
    return itemRecords(owner, row[placeOf(field)] ?? null, unreadable)
  })
  const columns = createColumns(PLAIN_ROWS)
  const cellsOf = createFlattener(columns, flatten)
  const rows = records.slice(0, limit).map((record) => cellsOf(record))
  return {
    columns: columns.names.map((name) => ({ name })),
    rows: rows.map((cells) => columns.names.map((_, index) => cells[index] ?? null)),
    isAll: owners.isAll && records.length <= limit,
    primaryKey: [...key.map((name) => `${dataset}.${name}`), POSITION],
  }
}
