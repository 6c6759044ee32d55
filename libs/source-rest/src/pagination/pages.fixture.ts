import type { RequestListener, IncomingMessage, ServerResponse } from 'node:http'
import type { QualityResult } from '@cinelake/contracts'
import type { PipelineOfSource } from '@cinelake/source-kind'
import type { RestDataset, RestSource } from '../config/index.ts'
import { createFill, type Secrets } from '@cinelake/secrets'
import { fixedClock, recordingLog, startHttp } from '@cinelake/testkit'
import type { AzureIdentity } from '../auth/auth-kind.ts'
import { createTokenCache } from '../auth/token-cache.ts'
import { type BrokenRecord, type JsonObject, objectsOf } from '@cinelake/json-rows'
import { aRestSource, type RestFields } from '../source-rest.fixture.ts'
import { createLimiter } from '../http/limiter.ts'
import { datasetRequest } from '../http/dataset-request.ts'
import { requestTimes } from '../http/request-times.ts'
import { openTaskRequests, type RequestsDeps } from '../http/task-requests.ts'
import type { Lake } from '@cinelake/lake'
import { namesIn, openKeptAnswers } from '../landing/kept-answers.ts'
import { createSecretMask } from '../landing/secret-mask.ts'
import { readPages } from './read-pages.ts'

/** Berlin's first of March 2026. */
export const WINDOW = { start: '2026-02-28T23:00:00Z', end: '2026-03-01T23:00:00Z', label: '2026-03-01' }

export type Reading = {
  readonly settings?: Record<string, string>
  readonly secrets?: (name: string, refresh: boolean) => string
  readonly azure?: AzureIdentity
  readonly maxBodyBytes?: number
  readonly since?: string | null
  readonly mode?: 'snapshot' | 'merge' | 'append'
  readonly now?: () => Date
}

/** What reads the pages of sources, as one process does it. */
export function aReader({
  settings = {},
  secrets = () => 'secret',
  azure,
  maxBodyBytes = 1e6,
  ...reading
}: Reading = {}) {
  const log = recordingLog()
  const hidden: string[] = []
  const waits: number[] = []
  const clock = reading.now ?? fixedClock('2026-03-02T03:00:00Z')
  const pause = async (waitMs: number, signal: AbortSignal) => {
    waits.push(waitMs)
    signal.throwIfAborted()
  }
  const deps: RequestsDeps = {
    fill: createFill({ settings, secrets: secretsFrom(secrets) }),
    clock,
    log,
    tokens: createTokenCache(clock),
    azure,
    hide: (secret) => void hidden.push(secret),
    maxBodyBytes,
    limiterOf: (_, source) => createLimiter(source, { clock, pause }),
    random: () => 0,
    pause,
  }
  /** Reads all pages and gives their records, page by page; answers are kept below `answers` of the lake, and used from there. */
  const read = async (
    source: RestSource,
    { lake, signal = new AbortController().signal }: { readonly lake?: Lake; readonly signal?: AbortSignal } = {},
  ) => {
    const [dataset] = source.datasets
    if (dataset === undefined) throw new Error('no dataset')
    const mask = createSecretMask(deps.fill)
    const { fill } = mask
    const target = await datasetRequest(source, dataset, timesOf(dataset, reading), fill)
    await using requests = await openTaskRequests({ ...deps, fill }, { pipeline: 'shop', source, dataset, signal })
    const pages: (readonly (JsonObject | BrokenRecord)[])[] = []
    const quality: QualityResult[] = []
    const folder = 'answers'
    const common = {
      folder,
      of: 'the same requests',
      mask,
      pagination: dataset.pagination,
      adopts: true,
      mayKeep: () => true,
      signal,
    }
    const answers = lake && openKeptAnswers({ lake, clock, log, ...common, names: await namesIn(lake, folder, signal) })
    for await (const page of readPages(source.name, dataset, target, requests.for(target), answers?.series(''))) {
      pages.push(objectsOf(page.records))
      quality.push(...page.quality)
    }
    await answers?.drain()
    return { pages, records: pages.flat(), quality }
  }
  return { read, log, hidden, waits }
}

function timesOf({ incremental }: RestDataset, { since = null, mode = 'merge' }: Reading) {
  const schedule = { every: 'day', timeZone: 'Europe/Berlin', start: '2026-03-01', delayMs: 0 } as const
  const datasets = [{ name: 'users', source: 'crm', sourceDataset: 'users', mode }]
  const pipeline = { schedule, datasets } as unknown as PipelineOfSource
  return requestTimes(pipeline, { source: 'crm', dataset: 'users', since, window: WINDOW }, incremental)
}

function secretsFrom(lookUp: (name: string, refresh: boolean) => string): Secrets {
  return {
    get: async (name, options = {}) => lookUp(name, options.refresh ?? false),
    has: async () => true,
    async [Symbol.asyncDispose]() {},
  }
}

/** A request as a server sees it, with its body read. */
export type Seen = {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

export type Reply = { readonly status?: number; readonly headers?: Record<string, string>; readonly body?: unknown }

/** Answers with what a function makes of a request: JSON, unless it is bytes or a text. */
export function answering(answer: (seen: Seen) => Reply): {
  readonly listener: RequestListener
  readonly seen: Seen[]
} {
  const seen: Seen[] = []
  const listener: RequestListener = (request, response) => {
    void (async () => {
      const blocks: Buffer[] = []
      for await (const block of request) blocks.push(block as Buffer)
      const url = new URL(request.url ?? '', 'http://host')
      const one = {
        method: request.method ?? '',
        path: url.pathname,
        query: url.searchParams,
        headers: request.headers,
        body: Buffer.concat(blocks).toString(),
      }
      seen.push(one)
      send(response, answer(one))
    })()
  }
  return { listener, seen }
}

function send(response: ServerResponse, { status = 200, headers = {}, body }: Reply): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body))
}

/** Starts a server, and reads the dataset `users` of the source `crm` from it. */
export async function readFrom(
  stack: AsyncDisposableStack,
  answer: (seen: Seen) => Reply,
  fields: RestFields | ((url: string) => RestFields) = {},
  reading: Reading = {},
) {
  const { listener, seen } = answering(answer)
  const server = stack.use(await startHttp(listener))
  const source = aRestSource({ baseUrl: server.url, ...(typeof fields === 'function' ? fields(server.url) : fields) })
  const reader = aReader(reading)
  return { ...reader, source, seen, url: server.url, read: (options = {}) => reader.read(source, options) }
}
