import { join } from 'node:path'
import type { Manifest } from '@cinelake/contracts'
import { parseWindow, sha256 } from '@cinelake/core'
import { createDirectoryLake } from '@cinelake/lake/directory'
import type { TargetDataset, PipelineOfSource } from '@cinelake/source-kind'
import type { PushSource } from './config/push-source.ts'
import { createFill, type Secrets } from '@cinelake/secrets'
import { aCommandHeader, recordingLog, temporaryDirectory, until } from '@cinelake/testkit'
import { createPushTasks } from './push-kind.ts'
import { servePush } from './http/push-api.ts'

export const KEY = 'a-key-of-the-web-shop'

type Given = {
  readonly source?: Partial<PushSource>
  readonly secrets?: (name: string, refresh: boolean) => string
  readonly start?: string
  /** Columns of the contract that the dataset `events` is refined by; without them there is none. */
  readonly columns?: readonly TargetDataset['contract']['columns'][number][]
}

/** A column of text for tests. */
export function aColumn(name: string, { required = false, from = [name] } = {}) {
  return { name, type: 'VARCHAR', required, reading: { from } }
}

/** A lake with a pipeline of one push source `web` with one dataset `events`, and a clock that stands. */
export async function givenPush({ source = {}, secrets = () => KEY, start = '2026-03-01', columns = [] }: Given = {}) {
  const stack = new AsyncDisposableStack()
  const { path: directory } = stack.use(await temporaryDirectory())
  const lake = stack.use(await createDirectoryLake(join(directory, 'lake')))
  const log = recordingLog()
  let begun = 0
  let now = new Date('2026-03-02T10:00:00Z')
  const clock = () => now
  const fill = createFill({ settings: {}, secrets: secretsFrom(secrets) })
  const web: PushSource = {
    type: 'push',
    name: 'web',
    keys: ['${secret:WEB_KEY}'],
    maxBodyBytes: 100_000_000,
    concurrency: 8,
    limits: [],
    datasets: [{ name: 'events' }],
    ...source,
  }
  const calendar = { every: 'day', timeZone: 'UTC' } as const
  const pipeline: PipelineOfSource = {
    name: 'shop',
    schedule: { ...calendar, start, delayMs: 0 },
    datasets: columns.length === 0 ? [] : [refinedBy(columns)],
  }
  const current = async () => ({ sources: [{ pipeline, source: web }], unreadable: [] })
  const tasks = createPushTasks({ lake, clock, log })

  return {
    lake,
    log,
    pipeline,
    setClock: (text: string) => void (now = new Date(text)),
    /** One more instance of the service on the same lake. */
    async replica(over: typeof lake = lake) {
      const counting: typeof lake = {
        ...over,
        async writeIfAbsent(path, content, options) {
          begun += 1
          return await over.writeIfAbsent(path, content, options)
        },
      }
      return stack.use(await servePush({ lake: counting, current, fill, clock, log }, { host: '127.0.0.1', port: 0 }))
    },
    /** Waits until so many bodies are on their way into the lake, or have been. */
    async untilBegun(count: number) {
      await until(`${count} pushes are under way`, () => begun >= count)
    },
    async ingest(label: string, generation = 1) {
      const window = parseWindow(calendar, label)
      if (window === undefined) throw new Error('no window')
      const header = aCommandHeader({
        pipeline: { name: 'shop', digest: sha256('shop') },
        window,
        task: 'ingest web/events',
        generation,
      })
      return await tasks.ingest(
        { ...header, kind: 'ingest', source: 'web', dataset: 'events', since: null },
        { pipeline, source: web },
        { signal: new AbortController().signal, progress: () => {} },
      )
    },
    async manifest(label: string): Promise<Manifest> {
      const text = await lake.readText(`raw/_landed/shop/${label}/ingest-web-events.json`)
      if (text !== undefined) return JSON.parse(text) as Manifest
      for await (const { path } of lake.list(`raw/_landed/shop/${label}`)) {
        return JSON.parse((await lake.readText(path)) ?? '') as Manifest
      }
      throw new Error('no manifest')
    },
    /** Every object of the dataset in the lake besides the note of where it is. */
    async objects(): Promise<string[]> {
      const paths: string[] = []
      for await (const { path } of lake.list('raw/shop/push')) if (!path.endsWith('/_place.json')) paths.push(path)
      return paths
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

function refinedBy(columns: NonNullable<Given['columns']>): TargetDataset {
  return { source: 'web', sourceDataset: 'events', mode: 'append', contract: { columns } }
}

export type Pushed = Awaited<ReturnType<typeof givenPush>>

function secretsFrom(lookUp: (name: string, refresh: boolean) => string): Secrets {
  return {
    get: async (name, { refresh = false } = {}) => lookUp(name, refresh),
    has: async () => true,
    async [Symbol.asyncDispose]() {},
  }
}

type Sent = {
  readonly type?: string
  readonly key?: string | null
  readonly idempotencyKey?: string
  readonly headers?: Record<string, string>
}

/** Pushes a body as a client would. */
export async function send(
  url: string,
  body: NonNullable<RequestInit['body']>,
  { type = 'application/json', key = KEY, idempotencyKey, headers = {} }: Sent = {},
) {
  const response = await fetch(`${url}/v1/datasets/web/events`, {
    method: 'POST',
    body,
    headers: {
      'content-type': type,
      ...(key === null ? {} : { 'x-api-key': key }),
      ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
      ...headers,
    },
    ...(body instanceof ReadableStream ? { duplex: 'half' } : {}),
  })
  const answer = (await response.json()) as Record<string, unknown> & {
    code: string
    message: string
    id: string
    path: string
    window: { label: string }
    rowCount: number
    statusUrl: string
  }
  return { status: response.status, headers: response.headers, answer }
}
