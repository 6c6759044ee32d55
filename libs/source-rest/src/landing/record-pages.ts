import type { Ingest, QualityResult } from '@cinelake/contracts'
import type { Lake } from '@cinelake/lake'
import type { RestDataset, RestSource } from '../config/index.ts'
import type { Fill } from '@cinelake/secrets'
import type { JsonObject, Records } from '@cinelake/json-rows'
import { type Parent, parentOf, parentRows, readChildPages } from '../children/child-pages.ts'
import { explodeRows } from '../children/explode-rows.ts'
import { type RequestPlace, restLandingErrors } from '../errors.ts'
import { readPages } from '../pagination/read-pages.ts'
import { datasetRequest } from '../http/dataset-request.ts'
import type { TaskRequests } from '../http/task-requests.ts'
import type { RequestTimes } from '../http/request-times.ts'
import type { KeptAnswers } from './kept-answers.ts'

/** A page of records. */
export type LandingPage = {
  readonly place: RequestPlace
  readonly records: Records
  readonly sizeBytes: number
  /** Whether the body has a list of records, even if it is empty. */
  readonly hasList: boolean
  /** Whether the body is of a format that tells texts from other values. */
  readonly isTyped: boolean
  /** The columns that its body declares, also without records. */
  readonly names?: readonly string[]
  /** On the last page: what is odd in what the pages say of themselves. */
  readonly quality?: readonly QualityResult[]
  /** Cells that are added to all of its rows. */
  readonly first?: JsonObject
  /** With the last page: the cursor for the next window. */
  readonly cursor?: string | undefined
}

export type PagesTask = {
  readonly lake: Lake
  readonly fill: Fill
  readonly command: Ingest
  readonly source: RestSource
  readonly dataset: RestDataset
  readonly times: RequestTimes
  readonly requests: TaskRequests
  /** Undefined where nothing is requested. */
  readonly answers: KeptAnswers | undefined
  readonly signal: AbortSignal
}

/** Input of a dataset apart from its own text: the rows of its parent. */
export async function parentFor(
  lake: Lake,
  command: Ingest,
  { parent, explodedFrom }: RestDataset,
  signal: AbortSignal,
): Promise<Parent | undefined> {
  const name = parent?.dataset ?? explodedFrom?.dataset
  return name === undefined ? undefined : await parentOf(lake, command, name, signal)
}

/** All pages of a dataset in order: of an API, of an API for each row of another dataset, or from another dataset's rows. */
export function recordPages(task: PagesTask, parent: Parent | undefined): AsyncGenerator<LandingPage> {
  if (parent === undefined) return plainPages(task)
  return task.dataset.explodedFrom === undefined ? childPages(task, parent) : explodedPages(task, parent)
}

async function* plainPages({
  source,
  dataset,
  times,
  fill,
  requests,
  answers,
}: PagesTask): AsyncGenerator<LandingPage> {
  const target = await datasetRequest(source, dataset, times, fill)
  yield* readPages(source.name, dataset, target, requests.for(target), answers?.series(''))
}

async function* childPages(task: PagesTask, parent: Parent): AsyncGenerator<LandingPage> {
  const { source, dataset, times, fill, requests, answers, signal } = task
  const { concurrency = 1 } = dataset.parent ?? {}
  yield* readChildPages(parentsOf(task, parent), {
    concurrency,
    signal,
    read: async function* (values, number, ownSignal) {
      const own = { ...dataset, path: pathFor(dataset, values) }
      const target = await datasetRequest(source, own, times, fill)
      const series = answers?.series(`${String(number).padStart(8, '0')}-`, JSON.stringify(values))
      yield* readPages(source.name, own, target, requests.for(target, ownSignal), series)
    },
  })
}

/** The distinct parameter values of a child's requests, as the cells that are added to its rows. */
async function* parentsOf({ lake, dataset, signal }: PagesTask, parent: Parent): AsyncGenerator<JsonObject> {
  const { dataset: name = '', fields = [] } = dataset.parent ?? {}
  const seen = new Set<string>()
  for await (const row of parentRows(lake, parent, fields, { dataset: dataset.name, parent: name }, signal)) {
    // A parent row without the value has no request.
    if (row.some((value) => value === null || value === '')) continue
    const text = JSON.stringify(row)
    if (seen.has(text)) continue
    seen.add(text)
    yield Object.fromEntries(fields.map((field, index) => [`${name}.${field}`, row[index] ?? null]))
  }
}

/** @throws {REST_PARENT_MISSING} terminal: a value that would change the structure of the path */
function pathFor({ name, path, parent }: RestDataset, values: JsonObject): string {
  const { dataset = '', fields = [] } = parent ?? {}
  return fields.reduce((filled, field) => {
    const found = values[`${dataset}.${field}`]
    const value = typeof found === 'string' ? found : ''
    if (value === '.' || value === '..')
      throw restLandingErrors.REST_PARENT_MISSING(name, dataset, `a value of ${field} that is no part of a path`)
    return filled.replaceAll(`{${dataset}.${field}}`, encodeURIComponent(value))
  }, path)
}

async function* explodedPages(
  { lake, source, dataset, signal }: PagesTask,
  parent: Parent,
): AsyncGenerator<LandingPage> {
  const { explodedFrom } = dataset
  if (explodedFrom === undefined) return
  const names = { dataset: dataset.name, parent: explodedFrom.dataset }
  const rows = parentRows(lake, parent, [...explodedFrom.key, explodedFrom.field], names, signal)
  let number = 0
  for await (const records of explodeRows(rows, dataset)) {
    number += 1
    const place = { source: source.name, dataset: dataset.name, address: parent.path ?? '', page: number }
    yield { place, records, sizeBytes: 0, hasList: true, isTyped: true }
  }
}
