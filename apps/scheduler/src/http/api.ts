import { parseWindow, systemClock, type Clock, type Log, type Window } from '@cinelake/core'
import { freezePipeline, type CheckedPipeline } from '@cinelake/pipeline'
import { historyErrors, RUN_STATES } from '@cinelake/run-store'
import { refuseUnknownHosts, type KnownHosts } from '@cinelake/service'
import { fastify, type FastifyInstance } from 'fastify'
import { z } from 'zod'
import { schedulerErrors } from '../errors.ts'
import type { RedoAsked } from '../redo/redo-plan.ts'
import { MAX_WINDOWS, runnableWindows, type WindowBounds } from '../schedule/runnable-windows.ts'
import type { Scheduler } from '../scheduler.ts'
import { answerError, httpErrors } from './errors.ts'

const RunRequest = z
  .strictObject({
    pipeline: z.string().min(1),
    /** One window … */
    window: z.string().optional(),
    /** … or several, both ends included. */
    from: z.string().optional(),
    to: z.string().optional(),
    again: z.boolean().default(false),
    /** Also windows that are not over, or that are before the first one of the schedule. */
    force: z.boolean().default(false),
    /** For windows that have run: only the tasks that depend on text that changed since … */
    changed: z.boolean().default(false),
    /** … or only these tasks, as `orders+` … */
    select: z.array(z.string().min(1)).min(1).optional(),
    /** … or all tasks but those that read the sources. */
    fromRaw: z.boolean().default(false),
    /** Windows that run at a time. */
    concurrency: z.int().min(1).max(50).default(1),
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
    /** By their names in the lake or in the mart; an empty list means all tables that were ever made. */
    tables: z.array(z.string().min(1)),
    /** Only these windows, both ends included; by default all that have landed. */
    from: z.string().optional(),
    to: z.string().optional(),
  })
  .refine(({ from, to }) => (from === undefined) === (to === undefined), {
    message: 'expected both `from` and `to`, or neither',
  })

const RunsQuery = z.object({
  limit: z.coerce.number().int().min(1).max(1000).default(50),
  pipeline: z.string().optional(),
  state: z.enum(RUN_STATES).optional(),
})

const RunParams = z.object({ id: z.string() })

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

/** Bytes. Far more than a request needs; a request body is held in memory. */
const BODY_LIMIT = 256 * 1024
/** Milliseconds until the whole request must have arrived. */
const REQUEST_TIMEOUT_MS = 30_000
/** Characters. The longest run name has 104; percent-encoding can make it three times as long. */
const MAX_ID_LENGTH = 320

/** The scheduler's HTTP API. Errors are `{ code, message }`. */
export function createHttpApi({
  scheduler,
  pipelines,
  log,
  redact,
  known,
  maxWindows = MAX_WINDOWS,
  stopping,
  clock = systemClock,
}: HttpApiDeps): FastifyInstance {
  const api = fastify({
    forceCloseConnections: true,
    bodyLimit: BODY_LIMIT,
    requestTimeout: REQUEST_TIMEOUT_MS,
    routerOptions: { maxParamLength: MAX_ID_LENGTH },
  })
  refuseUnknownHosts(api, known)
  api.setErrorHandler((error, _request, reply) => answerError(reply, error, { log, redact }))
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

  api.post('/v1/runs', async (request, reply) => {
    const asked = parse(RunRequest, request.body)
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
  api.post('/v1/rebuilds', async (request, reply) => {
    const asked = parse(RebuildRequest, request.body)
    const pipeline = pipelineNamed(asked.pipeline)
    const bounds = { now: clock(), limit: maxWindows, force: false }
    const windows = asked.from === undefined ? undefined : windowsOf(pipeline, asked, bounds)
    const runs = await scheduler.requestRedo(pipeline, { kind: 'rebuild', tables: asked.tables }, windows)
    return reply.code(202).send({ runs })
  })
  api.get('/v1/runs', async (request) => {
    const { limit, pipeline, state } = parse(RunsQuery, request.query)
    const narrowed = { ...(pipeline === undefined ? {} : { pipeline }), ...(state === undefined ? {} : { state }) }
    return { runs: await scheduler.runs({ limit, ...narrowed }) }
  })
  api.get('/v1/runs/:id', async (request) => {
    const { id } = parse(RunParams, request.params)
    const run = await scheduler.run(id)
    if (run === undefined) throw historyErrors.RUN_MISSING(id)
    return run
  })
  api.post('/v1/runs/:id/cancel', async (request, reply) => {
    const { id } = parse(RunParams, request.params)
    return reply.code(202).send({ runId: id, cancelled: await scheduler.cancel(id) })
  })
  api.get('/v1/agents', async () => ({ agents: await scheduler.agents() }))
  api.get('/v1/pipelines', async () => ({
    pipelines: pipelines.map((pipeline) => {
      const { name, description, schedule } = pipeline
      return { name, description, schedule, digest: freezePipeline(pipeline).digest }
    }),
  }))
  return api
}

function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value)
  if (!parsed.success) throw httpErrors.REQUEST_INVALID(parsed.error)
  return parsed.data
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
