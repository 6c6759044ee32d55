import { manifestPath } from '@cinelake/contracts'
import { taskFileName, type Clock, type Log } from '@cinelake/core'
import type { Lake } from '@cinelake/lake'
import type { Fill } from '@cinelake/secrets'
import { refuseUnknownHosts, type KnownHosts } from '@cinelake/service'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Readable } from 'node:stream'
import type { Proxy } from '@cinelake/core'
import { createAdmission } from './admission.ts'
import { createAuthenticate } from './authenticate.ts'
import { bodyForm } from '../body/body-form.ts'
import { DOCS_POLICY, docsPage } from './docs-page.ts'
import { openApi } from './openapi.ts'
import { answerError } from './push-answers.ts'
import { pushErrors, PushTooLargeError, type PushPlace } from '../errors.ts'
import { locatePushes } from '../landing/locate-pushes.ts'
import { beginOf } from '../landing/push-layout.ts'
import { IdempotencyKey, PushParams, StatusParams, type PushAnswer, type PushStatus } from './push-schemas.ts'
import { contractOf, createPushTargets, type PushTarget, type PushTargetsDeps } from '../push-targets.ts'
import { createReceivePush, type Received } from './receive-push.ts'
import { findReceipt } from '../landing/window-receipts.ts'

export type PushApiDeps = Pick<PushTargetsDeps, 'current'> & {
  readonly lake: Lake
  readonly fill: Fill
  readonly clock: Clock
  readonly log: Log
  /** HTTP access to the keys of issuers. */
  readonly proxy?: Proxy | undefined
  /** Redacts secrets in messages to clients. */
  readonly redact?: (text: string) => string
  /** The server's name. */
  readonly known: KnownHosts
  /** Aborted when pushes under way have to be cancelled. */
  readonly signal: AbortSignal
}

/** Idle timeout in milliseconds. */
const SILENT_MS = 120_000

/** Milliseconds for which the rest of a body is still read after it was rejected. */
const LINGER_MS = 3_000

/** The API for pushes. Errors are `{ code, message }`. */
export function createPushApi(deps: PushApiDeps): FastifyInstance {
  const { lake, clock, log, redact, signal } = deps
  const admission = createAdmission(clock)
  const receivePush = createReceivePush(deps)
  const targetOf = createTargetOf(deps)
  const folderOf = createFolderOf(deps)
  const api = fastify({
    connectionTimeout: SILENT_MS,
    forceCloseConnections: 'idle',
    bodyLimit: Number.MAX_SAFE_INTEGER,
  })
  refuseUnknownHosts(api, deps.known)
  // Bodies are streamed by the handlers, not parsed by the framework.
  api.removeAllContentTypeParsers()
  api.addContentTypeParser('*', (_request, _payload, done) => done(null))
  api.setErrorHandler(async (error, request, reply) => {
    await letGo(request, reply)
    return answerError(reply, error, { log, redact })
  })
  api.setNotFoundHandler(async (request, reply) => {
    await letGo(request, reply)
    return reply.code(404).send({ code: 'ROUTE_MISSING', message: 'there is nothing at this address; see /docs' })
  })

  api.post('/v1/datasets/:source/:dataset', async (request, reply) => {
    const params = PushParams.parse(request.params)
    const { pipeline, source } = await targetOf(request, params)
    using _ = admission.enter(source)
    const form = bodyForm(request.headers)
    if (Number(request.headers['content-length'] ?? 0) > source.maxBodyBytes) {
      throw new PushTooLargeError('a body', source.maxBodyBytes)
    }
    const { schedule } = pipeline
    const upload = { stream: request.raw, isPacked: form.isPacked, maxBytes: source.maxBodyBytes }
    const contract = contractOf(pipeline, params)
    const place = { ...params, folder: await folderOf(pipeline.name, params) }
    const push = { place, schedule, idempotencyKey: keyOf(request), form, contract, upload }
    const received = await receivePush(push, signal)
    const statusUrl = `/v1/datasets/${params.source}/${params.dataset}/pushes/${received.receipt.id}`
    const answer: PushAnswer = { ...answerOf(params, received), statusUrl }
    return reply.code(202).header('location', statusUrl).send(answer)
  })

  api.get('/v1/datasets/:source/:dataset/pushes/:id', async (request): Promise<PushStatus> => {
    const { id, ...params } = StatusParams.parse(request.params)
    const { pipeline } = await targetOf(request, params)
    const place = { ...params, folder: await folderOf(pipeline.name, params) }
    const from = beginOf(id)
    const { schedule } = pipeline
    const found = from && (await findReceipt(lake, { place, schedule, id, from, now: clock() }, { signal }))
    if (found === undefined) throw pushErrors.PUSH_MISSING(params, id)
    const task = taskFileName(`ingest ${place.source}/${place.dataset}`)
    const manifest = await lake.stat(manifestPath(pipeline.name, found.window.label, task, 1), { signal })
    const state = manifest === undefined ? (found.isClosed ? 'closed' : 'received') : 'landed'
    return { ...answerOf(params, found), state }
  })

  const document = openApi()
  const page = docsPage(document as Parameters<typeof docsPage>[0])
  api.get('/docs', async (_request, reply) =>
    reply.type('text/html; charset=utf-8').header('content-security-policy', DOCS_POLICY).send(page),
  )
  api.get('/docs/openapi.json', async () => document)
  return api
}

/** The folder of a dataset's pushes: looked up once, since it never changes. */
function createFolderOf({ lake, signal }: PushApiDeps) {
  const known = new Map<string, Promise<string>>()
  return async (pipeline: string, { source, dataset }: PushPlace): Promise<string> => {
    const key = `${pipeline}/${source}/${dataset}`
    const folder = known.get(key) ?? locatePushes(lake, pipeline, { source, dataset }, { signal })
    known.set(key, folder)
    folder.catch(() => known.delete(key))
    return await folder
  }
}

/** Finds the dataset of a push, and checks that the push is permitted. */
function createTargetOf(deps: PushApiDeps) {
  const targets = createPushTargets(deps)
  const authenticate = createAuthenticate(deps)
  return async (request: FastifyRequest, place: { source: string; dataset: string }): Promise<PushTarget> => {
    const target = await targets(place.source)
    if (target === undefined) throw pushErrors.PUSH_UNAUTHORIZED()
    await authenticate(target.source, {
      apiKey: oneOf(request.headers['x-api-key']),
      authorization: request.headers.authorization,
    })
    const isKnown = target.source.datasets.some(({ name }) => name === place.dataset)
    if (!isKnown) throw pushErrors.PUSH_DATASET_MISSING(place)
    return target
  }
}

function keyOf(request: FastifyRequest): string | undefined {
  const given = request.headers['idempotency-key']
  if (given === undefined) return undefined
  const parsed = IdempotencyKey.safeParse(given)
  if (!parsed.success)
    throw pushErrors.PUSH_HEADER_INVALID('idempotency-key', 'one text of 1 to 255 printable characters')
  return parsed.data
}

function oneOf(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : undefined
}

function answerOf(place: { source: string; dataset: string }, { receipt, window }: Received) {
  const { id, receivedAt, format, rowCount, sizeBytes, path } = receipt
  const { label, start, end } = window
  return { id, ...place, receivedAt, format, rowCount, sizeBytes, path, window: { label, start, end } }
}

/**
 * Reads and discards the rest of a body for a while before the response is sent: some clients do not read before they have
 * sent everything, and lose the response if the connection is closed at once.
 */
async function letGo({ raw }: FastifyRequest, reply: FastifyReply): Promise<void> {
  if (raw.complete) return
  const { promise: isEnough, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, LINGER_MS)
  await Promise.race([readAway(raw), isEnough])
  clearTimeout(timer)
  if (!raw.complete) void reply.header('connection', 'close')
}

async function readAway(stream: Readable): Promise<void> {
  try {
    for await (const _ of stream.iterator({ destroyOnReturn: false }));
  } catch {
    // The client has disconnected.
  }
}
