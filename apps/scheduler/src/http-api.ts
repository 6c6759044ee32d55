import { parseWindow, PipelineError, reportError, systemClock, type Clock, type Log, type Window } from '@cinelake/core'
import { CheckedPipeline, freezePipeline } from '@cinelake/pipeline'
import { AgentRecord, historyErrors, RUN_STATES, RunRecord, RunSummary } from '@cinelake/run-store'
import { createHttpServer, ErrorAnswer, listen, type HttpServer, type KnownHosts } from '@cinelake/service'
import type { FastifyReply } from 'fastify'
import { z } from 'zod'
import { schedulerErrors } from './errors.ts'
import type { RedoAsked } from './redo/redo-plan.ts'
import { MAX_WINDOWS, runnableWindows, type WindowBounds } from './schedule/schedule.ts'
import type { Scheduler } from './scheduler.ts'

const RunRequest = z
  .strictObject({
    pipeline: z.string().min(1),
    window: z.string().optional().describe('One window; or several, with `from` and `to`.'),
    from: z.string().optional().describe('The first window.'),
    to: z.string().optional().describe('The last window, included.'),
    again: z.boolean().default(false).describe('Also windows that have run, as a whole.'),
    force: z.boolean().default(false).describe('Also windows that are not over, or before the first of the schedule.'),
    changed: z.boolean().default(false).describe('Of windows that have run: what depends on text that changed since.'),
    select: z
      .array(z.string().min(1))
      .min(1)
      .optional()
      .describe('Of windows that have run: these tasks, as `orders+`.'),
    fromRaw: z.boolean().default(false).describe('Of windows that have run: all tasks but those that read sources.'),
    concurrency: z.int().min(1).max(50).default(1).describe('Windows that run at a time.'),
  })
  .refine(
    ({ again, changed, select, fromRaw }) =>
      [again, changed, select !== undefined, fromRaw].filter(Boolean).length <= 1,
    {
      message: 'expected at most one of `again`, `changed`, `select` and `fromRaw`',
    },
  )
  .refine(
    ({ window, from, to }) =>
      window === undefined ? from !== undefined && to !== undefined : from === undefined && to === undefined,
    {
      message: 'expected either `window`, or both `from` and `to`',
    },
  )

const RebuildRequest = z
  .strictObject({
    pipeline: z.string().min(1),
    tables: z
      .array(z.string().min(1))
      .describe('By their names in the lake or in the mart; an empty list means all tables that were ever made.'),
    from: z.string().optional().describe('The first window; by default all that have landed.'),
    to: z.string().optional().describe('The last window, included.'),
  })
  .refine(({ from, to }) => (from === undefined) === (to === undefined), {
    message: 'expected both `from` and `to`, or neither',
  })

const RunsQuery = z.object({
  limit: z.coerce.number().int().min(1).max(1000).default(50),
  pipeline: z.string().optional(),
  state: z.enum(RUN_STATES).optional(),
})

const RunParams = z.object({ id: z.string().describe('PIPELINE@WINDOW') })

const Requested = z.object({
  runId: z.string(),
  created: z.boolean().describe('False for a run that is in progress or done already.'),
})
const Runs = z.object({ runs: z.array(Requested) }).describe('The runs, oldest window first.')

const rejected = (description: string) => ErrorAnswer.describe(description)
const INVALID = { 400: rejected('The request or its windows cannot be used.') }
const MISSING = { 404: rejected('There is no such run.') }
const REQUEST = {
  ...INVALID,
  404: rejected('There is no such pipeline.'),
  409: rejected('A run is under way, and asked for in another way.'),
  422: rejected('The request was understood, but cannot be done.'),
}

/** What the routes take and answer; any of them may also answer 421 (host), 500 and 503. */
const ROUTES = {
  requestRuns: { summary: 'Ask for windows', body: RunRequest, response: { 202: Runs, ...REQUEST } },
  rebuild: { summary: 'Rebuild tables from landed data', body: RebuildRequest, response: { 202: Runs, ...REQUEST } },
  runs: {
    summary: 'The newest runs',
    querystring: RunsQuery,
    response: { 200: z.object({ runs: z.array(RunSummary) }).describe('The newest windows first.'), ...INVALID },
  },
  run: {
    summary: 'A run with its tasks',
    params: RunParams,
    response: { 200: RunRecord.describe('The run, its tasks in the order of the plan.'), ...MISSING },
  },
  cancel: {
    summary: 'Cancel a run',
    params: RunParams,
    response: {
      202: z.object({ runId: z.string(), cancelled: z.boolean() }).describe('`cancelled` is false if it was finished.'),
      ...MISSING,
    },
  },
  agents: {
    summary: 'The on-prem agents',
    response: { 200: z.object({ agents: z.array(AgentRecord) }).describe('By site and node.') },
  },
  pipelines: {
    summary: 'The pipelines',
    response: {
      200: z
        .object({
          pipelines: z.array(
            z.object({
              name: z.string(),
              description: z.string().optional(),
              schedule: CheckedPipeline.shape.schedule,
              digest: z.string(),
            }),
          ),
        })
        .describe('Those that this scheduler runs.'),
    },
  },
}

export type HttpApiDeps = {
  readonly scheduler: Pick<Scheduler, 'requestRuns' | 'requestRedo' | 'run' | 'runs' | 'cancel' | 'agents'>
  readonly pipelines: readonly CheckedPipeline[]
  readonly log: Log
  /** Redacts secrets from answers. */
  readonly redact?: (text: string) => string
  /** The host names that clients may call the server by. */
  readonly known: KnownHosts
  /** Most windows that one request may ask for. */
  readonly maxWindows?: number
  /** Aborted when the server stops: a request for many windows ends early, and its client sends it again. */
  readonly stopping?: AbortSignal
  readonly clock?: Clock
}

const DOCUMENT = {
  info: {
    title: 'Cinelake scheduler API',
    version: '1',
    description: 'Asks for runs and shows their history. Callers are not authenticated here.',
  },
}

/** Bytes. Far more than a request needs; a request body is held in memory. */
const BODY_LIMIT = 256 * 1024
/** Milliseconds until the whole request must have arrived. */
const REQUEST_TIMEOUT_MS = 30_000
/** Characters. The longest run name has 104; percent-encoding can make it three times as long. */
const MAX_ID_LENGTH = 320

/** The scheduler's HTTP API, exported for tests without a port. Errors are `{ code, message }`. */
export async function createHttpApi({
  scheduler,
  pipelines,
  log,
  redact,
  known,
  maxWindows = MAX_WINDOWS,
  stopping,
  clock = systemClock,
}: HttpApiDeps): Promise<HttpServer> {
  const api = await createHttpServer({
    known,
    document: DOCUMENT,
    onError: (error, _request, reply) => answerError(reply, error, { log, redact }),
    forceCloseConnections: true,
    bodyLimit: BODY_LIMIT,
    requestTimeout: REQUEST_TIMEOUT_MS,
    routerOptions: { maxParamLength: MAX_ID_LENGTH },
  })
  api.setNotFoundHandler((request, reply) =>
    reply.code(404).send({
      code: 'ROUTE_MISSING',
      message: `there is no ${request.method} ${request.url}; see the README of the scheduler`,
    }),
  )

  const untilStopped = stopping === undefined ? {} : { signal: stopping }
  const pipelineNamed = (name: string): CheckedPipeline => {
    const pipeline = pipelines.find((each) => each.name === name)
    if (pipeline !== undefined) return pipeline
    const known = pipelines.map((each) => each.name)
    throw schedulerErrors.PIPELINE_UNKNOWN(name, known)
  }

  api.post('/v1/runs', { schema: ROUTES.requestRuns }, async (request, reply) => {
    const asked = request.body
    const pipeline = pipelineNamed(asked.pipeline)
    const { again, concurrency, force } = asked
    const windows = windowsOf(pipeline, asked, { now: clock(), limit: maxWindows, force })
    const redo = redoOf(asked)
    const runs =
      redo === undefined
        ? await scheduler.requestRuns(pipeline, windows, { again, concurrency, ...untilStopped })
        : await scheduler.requestRedo(pipeline, redo, windows, { concurrency })
    return reply.code(202).send({ runs })
  })
  api.post('/v1/rebuilds', { schema: ROUTES.rebuild }, async (request, reply) => {
    const asked = request.body
    const pipeline = pipelineNamed(asked.pipeline)
    const bounds = { now: clock(), limit: maxWindows, force: false }
    const windows = asked.from === undefined ? undefined : windowsOf(pipeline, asked, bounds)
    const runs = await scheduler.requestRedo(pipeline, { kind: 'rebuild', tables: asked.tables }, windows)
    return reply.code(202).send({ runs })
  })
  api.get('/v1/runs', { schema: ROUTES.runs }, async (request) => {
    const { limit, pipeline, state } = request.query
    const narrowed = { ...(pipeline === undefined ? {} : { pipeline }), ...(state === undefined ? {} : { state }) }
    return { runs: await scheduler.runs({ limit, ...narrowed }) }
  })
  api.get('/v1/runs/:id', { schema: ROUTES.run }, async (request) => {
    const { id } = request.params
    const run = await scheduler.run(id)
    if (run === undefined) throw historyErrors.RUN_MISSING(id)
    return run
  })
  api.post('/v1/runs/:id/cancel', { schema: ROUTES.cancel }, async (request, reply) => {
    const { id } = request.params
    return reply.code(202).send({ runId: id, cancelled: await scheduler.cancel(id) })
  })
  api.get('/v1/agents', { schema: ROUTES.agents }, async () => ({ agents: await scheduler.agents() }))
  api.get('/v1/pipelines', { schema: ROUTES.pipelines }, async () => ({
    pipelines: pipelines.map((pipeline) => {
      const { name, description, schedule } = pipeline
      return { name, description, schedule, digest: freezePipeline(pipeline).digest }
    }),
  }))
  return api
}

/** Which tasks of windows that have run are requested; undefined for a request that takes windows as they are. */
function redoOf({ changed, select, fromRaw }: z.infer<typeof RunRequest>): RedoAsked | undefined {
  if (changed) return { kind: 'changed' }
  if (fromRaw) return { kind: 'from-raw' }
  return select === undefined ? undefined : { kind: 'select', names: select }
}

type WindowsAsked = {
  readonly window?: string | undefined
  readonly from?: string | undefined
  readonly to?: string | undefined
}

function windowsOf(pipeline: CheckedPipeline, { window, from, to }: WindowsAsked, bounds: WindowBounds): Window[] {
  const { name, schedule } = pipeline
  const read = (text: string): Window => {
    const window = parseWindow(schedule, text)
    if (window === undefined) throw schedulerErrors.WINDOW_UNKNOWN(name, text, schedule.every)
    return window
  }
  const range = { from: read(window ?? from ?? ''), to: read(window ?? to ?? '') }
  return runnableWindows(pipeline, range, bounds)
}

const API = { what: 'the API', settings: 'CINELAKE_API_HOST and CINELAKE_API_PORT' }

/**
 * Serves the HTTP API until it is disposed.
 * @throws {ConfigError} the address cannot be used
 */
export async function serveHttpApi(
  deps: Omit<HttpApiDeps, 'known' | 'stopping'>,
  { host, port, names = [] }: KnownHosts & { readonly port: number },
): Promise<AsyncDisposable & { readonly url: string }> {
  const stop = new AbortController()
  const api = await createHttpApi({ ...deps, known: { host, names }, stopping: stop.signal })
  const url = await listen(api, { host, port }, API)
  deps.log.info({ url }, 'API is served')
  return {
    url,
    async [Symbol.asyncDispose]() {
      stop.abort()
      await api.close()
    },
  }
}

/** HTTP status by error code; every other terminal error is 422: parsed, but rejected. */
const STATUS: Readonly<Record<string, number>> = {
  REQUEST_INVALID: 400,
  WINDOW_UNKNOWN: 400,
  WINDOWS_TOO_MANY: 400,
  WINDOWS_REVERSED: 400,
  WINDOW_NOT_OVER: 400,
  WINDOW_BEFORE_START: 400,
  PIPELINE_UNKNOWN: 404,
  RUN_MISSING: 404,
  RUN_UNDER_WAY: 409,
  HOST_UNKNOWN: 421,
}
/** Seconds. Value of `Retry-After`. */
const RETRY_AFTER = '5'

/**
 * Sends an error response: the status of its code where it is known, 503 where a retry can help, 500 without details
 * for a bug.
 */
function answerError(
  reply: FastifyReply,
  error: unknown,
  { log, redact }: { readonly log: Log; readonly redact: HttpApiDeps['redact'] | undefined },
): FastifyReply {
  if (error instanceof PipelineError) {
    const { code, message } = reportError(error, redact)
    if (error.retryable) {
      log.warn({ code, err: error }, 'request failed for now')
      return reply.code(503).header('retry-after', RETRY_AFTER).send({ code, message })
    }
    return reply.code(STATUS[code] ?? 422).send({ code, message })
  }
  const status = statusOf(error)
  // Errors of the framework itself (no such route, a body that is not JSON) are the client's to fix.
  if (status < 500) return reply.code(status).send({ code: 'REQUEST_INVALID', message: reportError(error).message })
  log.error({ err: error }, 'request failed unexpectedly')
  return reply
    .code(500)
    .send({ code: 'UNEXPECTED_ERROR', message: 'the request failed unexpectedly; see the log of the scheduler' })
}

function statusOf(error: unknown): number {
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined
  return typeof status === 'number' && status >= 400 ? status : 500
}
