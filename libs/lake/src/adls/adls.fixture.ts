import { temporaryDirectory } from '@cinelake/testkit'
import { startAdlsEndpoint, type AdlsEndpoint, type SeenRequest } from '@cinelake/testkit/adls'
import { join } from 'node:path'
import type { AdlsTuning } from './container.ts'
import { createAdlsLake, type AdlsLakeOptions } from './lake.ts'
import type { Lake } from '../lake.ts'

export const MIB = 1024 * 1024

/** Blocks and ranges of a few bytes, so that small contents have many, and no delay between retries. */
export const SMALL: Partial<AdlsTuning> = {
  blockBytes: 1000,
  rangeBytes: 700,
  pageSize: 3,
  retryDelayMs: 1,
  maxRetryDelayMs: 5,
}

/** A lake on an endpoint of this machine. */
export type AdlsBench = AsyncDisposable & {
  readonly lake: Lake
  readonly endpoint: AdlsEndpoint
  /** All requests so far. */
  readonly requests: SeenRequest[]
  /** Directory of its own, with the endpoint's data and the scratch of all lakes. */
  readonly directory: string
  /** Another lake at the same address, as another process would open it. */
  open(options?: Partial<AdlsLakeOptions>): Promise<Lake>
}

export async function openAdlsBench(options: Partial<AdlsLakeOptions> = {}): Promise<AdlsBench> {
  await using stack = new AsyncDisposableStack()
  const { path: directory } = stack.use(await temporaryDirectory())
  const requests: SeenRequest[] = []
  const endpoint = stack.use(
    await startAdlsEndpoint({
      directory: join(directory, 'account'),
      containers: ['lake'],
      onRequest: (request) => requests.push(request),
    }),
  )
  const lakes = stack.use(new AsyncDisposableStack())
  const open = async (more: Partial<AdlsLakeOptions> = {}) =>
    lakes.use(
      await createAdlsLake({
        url: urlOf(endpoint),
        connectionString: endpoint.connectionString,
        credential: noCredential,
        scratch: { directory: join(directory, 'scratch'), limitBytes: 100 * MIB },
        tuning: SMALL,
        ...options,
        ...more,
      }),
    )
  const lake = await open()
  const owned = stack.move()
  return { lake, endpoint, requests, directory, open, [Symbol.asyncDispose]: async () => await owned.disposeAsync() }
}

export function urlOf({ account, port }: AdlsEndpoint, root = ''): string {
  return `abfs://lake@${account.name}.127.0.0.1:${port}${root}`
}

export async function noCredential(): Promise<never> {
  throw new Error('nobody should have asked for a token')
}
