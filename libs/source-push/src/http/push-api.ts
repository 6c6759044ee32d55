import { manifestPath } from '@cinelake/contracts'
import { PipelineError, reportError, taskFileName, type Clock, type Log, type Proxy } from '@cinelake/core'
import type { Lake } from '@cinelake/lake'
import type { Fill } from '@cinelake/secrets'
import { createHttpServer, listen, type HttpServer, type KnownHosts } from '@cinelake/service'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Readable } from 'node:stream'
import { createAdmission } from './admission.ts'
import { createAuthenticate } from './authenticate.ts'
import { bodyForm } from '../body/body-form.ts'
import { pushErrors, PushLimitedError, PushTooLargeError, type PushPlace } from '../errors.ts'
import { locatePushes, beginOf } from '../landing/push-layout.ts'
import { IdempotencyKey, pushDocument, pushRoute, statusRoute } from './push-schemas.ts'
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

/** Milliseconds that pushes under way get to end when the service stops. Clients repeat the pushes that are cancelled then. */
const GRACE_MS = 20_000

const PUSH_API = { what: 'the push API', settings: 'CINELAKE_PUSH_HOST and CINELAKE_PUSH_PORT' }

/**
 * Serves the push API until it is disposed.
 * @throws {ConfigError} terminal: the address cannot be used
 */
export async function servePush(
  deps: Omit<PushApiDeps, 'signal' | 'known'>,
  { host, port, names = [] }: KnownHosts & { readonly port: number },
): Promise<AsyncDisposable & { readonly url: string }> {
  const stop = new AbortController()
  const api = await createPushApi({ ...deps, known: { host, names }, signal: stop.signal })
  const url = await listen(api, { host, port }, PUSH_API)
  deps.log.info({ url }, 'push API is served')
  return {
    url,
    async [Symbol.asyncDispose]() {
      const timer = setTimeout(() => stop.abort(), GRACE_MS)
      await api.close()
      clearTimeout(timer)
    },
  }
}

/** Idle timeout in milliseconds. */
const SILENT_MS = 120_000

/** Milliseconds for which the rest of a body is still read after it was rejected. */
const LINGER_MS = 3_000

/** The API for pushes. Errors are `{ code, message }`. */
async function createPushApi(deps: PushApiDeps): Promise<HttpServer> {
  const { lake, clock, signal, known } = deps
  const admission = createAdmission(clock)
  const receivePush = createReceivePush(deps)
  const targetOf = createTargetOf(deps)
  const folderOf = createFolderOf(deps)
  const api = await createHttpServer({
    known,
    document: pushDocument,
    async onError(error, request, reply) {
      await letGo(request, reply)
      return answerError(reply, error, deps)
    },
    connectionTimeout: SILENT_MS,
    forceCloseConnections: 'idle',
    bodyLimit: Number.MAX_SAFE_INTEGER,
  })
  // Bodies are streamed by the handlers, not parsed by the framework.
  api.removeAllContentTypeParsers()
  api.addContentTypeParser('*', (_request, _payload, done) => done(null))
  api.setNotFoundHandler(async (request, reply) => {
    await letGo(request, reply)
    return reply.code(404).send({ code: 'ROUTE_MISSING', message: 'there is nothing at this address; see /docs' })
  })

  api.post('/v1/datasets/:source/:dataset', { schema: pushRoute }, async (request, reply) => {
    const { params } = request
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
    return reply
      .code(202)
      .header('location', statusUrl)
      .send({ ...answerOf(params, received), statusUrl })
  })

  api.get('/v1/datasets/:source/:dataset/pushes/:id', { schema: statusRoute }, async (request) => {
    const { id, ...params } = request.params
    const { pipeline } = await targetOf(request, params)
    const place = { ...params, folder: await folderOf(pipeline.name, params) }
    const from = beginOf(id)
    const { schedule } = pipeline
    const found = from && (await findReceipt(lake, { place, schedule, id, from, now: clock() }, { signal }))
    if (found === undefined) throw pushErrors.PUSH_MISSING(params, id)
    const task = taskFileName(`ingest ${place.source}/${place.dataset}`)
    const manifest = await lake.stat(manifestPath(pipeline.name, found.window.label, task, 1), { signal })
    const unlanded = found.isClosed ? ('closed' as const) : ('received' as const)
    return { ...answerOf(params, found), state: manifest === undefined ? unlanded : ('landed' as const) }
  })
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

/** HTTP status by error code. Any other terminal error is about the platform, not about the push. */
const STATUS: Readonly<Record<string, number>> = {
  PUSH_UNAUTHORIZED: 401,
  PUSH_FORBIDDEN: 403,
  PUSH_DATASET_MISSING: 404,
  PUSH_MISSING: 404,
  PUSH_HEADER_INVALID: 400,
  PUSH_BODY_INVALID: 400,
  PUSH_CUT: 400,
  PUSH_TOO_SLOW: 400,
  PUSH_KEY_REUSED: 409,
  PUSH_TOO_LARGE: 413,
  PUSH_TYPE_UNKNOWN: 415,
  HOST_UNKNOWN: 421,
  PUSH_LIMITED: 429,
}

/** Seconds of `Retry-After`. */
const RETRY_AFTER = 5

/** Answers with an error: by its code if it is about the push, 503 if a retry can help, else 500 without details. */
function answerError(
  reply: FastifyReply,
  error: unknown,
  { log, redact }: Pick<PushApiDeps, 'log' | 'redact'>,
): FastifyReply {
  if (!(error instanceof PipelineError)) return answerUnknown(reply, error, log)
  const { code, message } = reportError(error, redact)
  const status = STATUS[code] ?? (error.retryable ? 503 : 500)
  if (status === 500) {
    log.error({ code, err: error }, 'push failed')
    return reply
      .code(500)
      .send({ code, message: 'the push failed; those who run the platform find out why in the log' })
  }
  // Without its causes: clients are told only about the push.
  const told = {
    code,
    message: status === 503 ? 'not possible now; send it again, with the same key' : redacted(error, redact),
  }
  if (status === 503) log.warn({ code, err: error }, 'push failed for now')
  else log.info({ code, status, message }, 'push refused')
  if (status === 401) void reply.header('www-authenticate', 'Bearer')
  if (status === 503) void reply.header('retry-after', String(RETRY_AFTER))
  if (error instanceof PushLimitedError) void reply.header('retry-after', String(error.waitSeconds))
  return reply.code(status).send(told)
}

function redacted({ message }: Error, redact = (text: string) => text): string {
  return redact(message)
}

function answerUnknown(reply: FastifyReply, error: unknown, log: Log): FastifyReply {
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500
  // Errors of the framework: an invalid address, headers that are too large.
  if (status >= 400 && status < 500) {
    return reply.code(status).send({ code: 'REQUEST_INVALID', message: 'the request cannot be used; see /docs' })
  }
  log.error({ err: error }, 'push failed unexpectedly')
  return reply
    .code(500)
    .send({ code: 'UNEXPECTED_ERROR', message: 'the push failed; those who run the platform find out why in the log' })
}
