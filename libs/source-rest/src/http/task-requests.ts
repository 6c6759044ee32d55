import type { Clock, Log } from '@cinelake/core'
import type { RestDataset, RestSource } from '../config/index.ts'
import type { Fill } from '@cinelake/secrets'
import { createCredentials, type CredentialsDeps } from '../auth/credentials.ts'
import type { AzureIdentity } from '../auth/auth-kind.ts'
import type { TokenCache } from '../auth/token-cache.ts'
import type { Lookup } from './address-guard.ts'
import type { DatasetRequest } from './dataset-request.ts'
import type { Limiter } from './limiter.ts'
import type { Proxy } from '@cinelake/core'
import { requestPage, type Requests } from './request-page.ts'
import { DEFAULT_RETRY_BUDGET } from './retry-rules.ts'
import { openTransport } from './transport.ts'

export type RequestsDeps = Pick<Requests, 'random' | 'pause' | 'maxBodyBytes'> & {
  readonly fill: Fill
  readonly clock: Clock
  readonly log: Log
  /** Tokens of all sources, shared among all tasks. */
  readonly tokens: TokenCache
  /** One limiter per source, shared among all tasks. */
  readonly limiterOf: (pipeline: string, source: RestSource) => Limiter
  readonly azure?: AzureIdentity | undefined
  /** Registers a value for redaction in everything that people read. */
  readonly hide?: ((secret: string) => void) | undefined
  /** The DNS resolver; the system's except in tests. */
  readonly lookup?: Lookup | undefined
  readonly proxy?: Proxy | undefined
}

export type RequestsTask = {
  readonly pipeline: string
  readonly source: RestSource
  readonly dataset: RestDataset
  readonly signal: AbortSignal
}

/** The HTTP context of one task: connections, limits, retries and credentials. */
export interface TaskRequests extends AsyncDisposable {
  /** For the requests of one target; a child dataset has one per parent. */
  for(target: DatasetRequest, signal?: AbortSignal): Requests
}

export async function openTaskRequests(deps: RequestsDeps, task: RequestsTask): Promise<TaskRequests> {
  const { pipeline, source, dataset, signal } = task
  const { fill, tokens, clock, log, hide = () => {} } = deps
  const transport = await openTransport(source, fill, deps)
  const { maxResponseBytes = source.maxResponseBytes ?? Infinity } = dataset
  const common = {
    transport,
    limiter: deps.limiterOf(pipeline, source),
    statuses: { ...source.statuses, ...dataset.statuses },
    maxRetries: source.maxRetries,
    retries: { budget: source.retryBudget ?? DEFAULT_RETRY_BUDGET, spent: 0 },
    timeoutMs: source.timeoutMs,
    maxBodyBytes: Math.min(deps.maxBodyBytes, maxResponseBytes),
    clock,
    random: deps.random,
    pause: deps.pause,
    log,
    signal,
  }
  const ask: CredentialsDeps['token']['ask'] = (request, headers, place) => {
    const credentials = {
      sign: async () => ({ ...request, body: request.body?.(), headers }),
      refusedWith: [],
      refresh: async () => false,
    }
    // A dataset's status rules do not apply to token requests.
    const own = { ...common, statuses: {}, credentials, trustedOrigin: request.url.origin }
    return requestPage(request, place, own)
  }
  const token = {
    source: source.name,
    dataset: dataset.name,
    ask,
    azure: deps.azure,
    rotated: tokens.rotated,
    hide,
    clock,
    log,
    signal,
  }
  return {
    for: (target, ownSignal = signal) => ({
      ...common,
      signal: ownSignal,
      trustedOrigin: target.origin,
      credentials: createCredentials(source, target, { fill, tokens, pipeline, token }),
    }),
    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  }
}
