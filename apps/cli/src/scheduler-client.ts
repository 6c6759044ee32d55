import { defineErrors, PipelineError, terminal, TerminalError, transient } from '@cinelake/core'
import type { AgentRecord, RunHistory, RunRecord, RunsOptions, RunSummary } from '@cinelake/run-store'
import type { Requested } from '@cinelake/scheduler'
import { z } from 'zod'
import type { SchedulerAddress } from './settings.ts'

const clientErrors = defineErrors({
  /** The scheduler, or a proxy in front of it, does not answer. */
  SCHEDULER_UNAVAILABLE: transient((url: string, reason: string) => [
    `the scheduler does not answer [url=${url}]: ${reason}; check CINELAKE_API, and that the scheduler runs, and try again`,
    { url, reason },
  ]),

  /** The caller is not authorised. */
  SCHEDULER_UNAUTHORIZED: terminal((url: string, status: number) => [
    `the scheduler, or the proxy before it, does not let this call in [url=${url} status=${status}]: expected a token that it takes; set CINELAKE_API_TOKEN to one, or CINELAKE_API to an address that you may call (\`kubectl port-forward\`)`,
    { url, status },
  ]),

  /** A server answers that is not the scheduler's API. */
  SCHEDULER_ADDRESS_WRONG: terminal((url: string, found: string) => [
    `the address is not that of a scheduler's API [url=${url}]: expected its answer, got ${found}; check CINELAKE_API: scheme, host, port and path`,
    { url },
  ]),
})

/** The scheduler rejected a request, with its own message. */
class SchedulerRefusedError extends TerminalError {
  readonly code: string

  constructor(code: string, message: string, status: number) {
    super(message, { status })
    this.code = code
  }
}

/** The body of a request for runs. */
export type RunRequest = {
  readonly pipeline: string
  readonly again?: true
  readonly force?: true
  readonly changed?: true
  readonly select?: readonly string[]
  readonly fromRaw?: true
} & ({ readonly window: string } | { readonly from: string; readonly to: string })

/** The body of a request to rebuild tables; without windows, for all that have landed. */
export type RebuildRequest = {
  readonly pipeline: string
  readonly tables: readonly string[]
  readonly from?: string
  readonly to?: string
}

/** A deployed scheduler as its HTTP API shows it. */
export type SchedulerClient = RunHistory & {
  readonly url: string
  requestRuns(request: RunRequest): Promise<readonly Requested[]>
  requestRebuild(request: RebuildRequest): Promise<readonly Requested[]>
  /** Its pipelines, with the digest of their text. */
  texts(): Promise<readonly { readonly name: string; readonly digest: string }[]>
}

/** Milliseconds for an answer. A request for very many windows takes long. */
const TIMEOUT_MS = 120_000
/** An error response of the scheduler. The body of any other one is ignored. */
const Refusal = z.object({ code: z.string(), message: z.string() })

// Of an answer, the fields that decide the next step are validated; the rest is displayed.
const Run = z.looseObject({ id: z.string(), state: z.string(), digest: z.string(), finishedAt: z.string().nullable() })
const Tasks = z.array(z.looseObject({ name: z.string(), state: z.string() }))
const Runs = z.object({ runs: z.array(z.looseObject({ ...Run.shape, taskCounts: z.looseObject({}) })) })
const OneRun = z.looseObject({ ...Run.shape, window: z.looseObject({ label: z.string() }), tasks: Tasks })
const Made = z.object({ runs: z.array(z.object({ runId: z.string(), created: z.boolean() })) })
const Agents = z.object({ agents: z.array(z.looseObject({ site: z.string(), node: z.string() })) })
const Texts = z.object({ pipelines: z.array(z.object({ name: z.string(), digest: z.string() })) })

/** A client of a deployed scheduler. @param signal aborts the requests in progress */
export function createSchedulerClient({ url, token }: SchedulerAddress, signal: AbortSignal): SchedulerClient {
  const ask = async <Answer>(schema: z.ZodType<Answer>, path: string, body?: object): Promise<Answer> => {
    const headers = {
      accept: 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    }
    const sent = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }
    try {
      const timeout = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)])
      // A login page is not an answer of the scheduler.
      const response = await fetch(`${url}${path}`, { ...sent, headers, redirect: 'manual', signal: timeout })
      return answerOf(schema, url, response.status, await response.text())
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof PipelineError) throw error
      throw clientErrors.SCHEDULER_UNAVAILABLE(url, reasonOf(error), { cause: error })
    }
  }
  return {
    url,
    async requestRuns(request) {
      return (await ask(Made, '/v1/runs', request)).runs
    },
    async requestRebuild(request) {
      return (await ask(Made, '/v1/rebuilds', request)).runs
    },
    async texts() {
      return (await ask(Texts, '/v1/pipelines')).pipelines
    },
    async run(runId) {
      try {
        return (await ask(OneRun, `/v1/runs/${encodeURIComponent(runId)}`)) as unknown as RunRecord
      } catch (error) {
        if (error instanceof SchedulerRefusedError && error.code === 'RUN_MISSING') return undefined
        throw error
      }
    },
    async runs(options = {}) {
      const { runs } = await ask(Runs, `/v1/runs?${queryOf(options)}`)
      // A scheduler of an earlier release does not filter by state.
      const wanted = runs.filter(({ state }) => options.state === undefined || state === options.state)
      return wanted as unknown as RunSummary[]
    },
    async pipelines() {
      return (await ask(Texts, '/v1/pipelines')).pipelines.map(({ name }) => name)
    },
    async agents() {
      return (await ask(Agents, '/v1/agents')).agents as unknown as AgentRecord[]
    },
  }
}

function queryOf({ limit, pipeline, state }: RunsOptions): string {
  const given = Object.entries({ limit: limit?.toString(), pipeline, state })
  return new URLSearchParams(given.filter((pair): pair is [string, string] => pair[1] !== undefined)).toString()
}

function answerOf<Answer>(schema: z.ZodType<Answer>, url: string, status: number, text: string): Answer {
  if (status === 401 || status === 403 || status === 407 || (status >= 300 && status < 400))
    throw clientErrors.SCHEDULER_UNAUTHORIZED(url, status)
  const body = jsonOf(text)
  if (status >= 200 && status < 300) {
    const parsed = schema.safeParse(body)
    if (parsed.success) return parsed.data
    throw clientErrors.SCHEDULER_ADDRESS_WRONG(url, body === undefined ? 'no JSON' : 'other JSON')
  }
  const refusal = Refusal.safeParse(body).data
  if (status === 429 || status >= 500)
    throw clientErrors.SCHEDULER_UNAVAILABLE(url, refusal?.message ?? `status ${status}`)
  if (refusal === undefined || refusal.code === 'ROUTE_MISSING')
    throw clientErrors.SCHEDULER_ADDRESS_WRONG(url, `status ${status}`)
  throw new SchedulerRefusedError(refusal.code, refusal.message, status)
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The runtime's message is in the cause: `fetch failed` has no information. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'the call failed'
  if (error.name === 'TimeoutError') return `no answer within ${TIMEOUT_MS / 1000} s`
  const { cause } = error
  const inner = cause instanceof AggregateError && cause.message === '' ? (cause.errors[0] as unknown) : cause
  return inner instanceof Error && inner.message !== '' ? inner.message : error.message
}
