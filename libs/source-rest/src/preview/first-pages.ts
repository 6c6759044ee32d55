import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { pipeline as pipe } from 'node:stream/promises'
import { ConfigError, type Clock, type Log, type Window } from '@cinelake/core'
import type { PipelineOfSource } from '@cinelake/source-kind'
import type { RestDataset, RestPagination, RestSource } from '../config/index.ts'
import type { Fill } from '@cinelake/secrets'
import type { AzureIdentity } from '../auth/auth-kind.ts'
import { createTokenCache } from '../auth/token-cache.ts'
import { restErrors } from '../errors.ts'
import { openCsvSpool, PLAIN_ROWS } from '@cinelake/json-rows'
import { RecordProblem } from '@cinelake/json-rows'
import { RestPaginationUnknownError } from '../pagination/errors.ts'
import { readPages } from '../pagination/read-pages.ts'
import { datasetRequest } from '../http/dataset-request.ts'
import { createLimiter, pause } from '../http/limiter.ts'
import type { Proxy } from '@cinelake/core'
import { requestTimes } from '../http/request-times.ts'
import { openTaskRequests } from '../http/task-requests.ts'

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
export async function firstPages(
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
    const wanted = page.records.slice(0, limit - spool.rowCount)
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
