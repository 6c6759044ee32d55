import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Ingest, type Manifest, manifestPath } from '@cinelake/contracts'
import { parseWindow, taskFileName } from '@cinelake/core'
import { createDirectoryLake } from '@cinelake/lake/directory'
import { type RestDataset, RestSource } from './config/index.ts'
import type { PipelineOfSource } from '@cinelake/source-kind'
import { createFill, type Secrets } from '@cinelake/secrets'
import { aCommandHeader, fixedClock, putPipeline, recordingLog, temporaryDirectory } from '@cinelake/testkit'
import type { z } from 'zod'
import { restKind, type RestTasksDeps } from './rest-kind.ts'

type Given = {
  readonly source: RestSource
  readonly settings?: Record<string, string>
  /** What a secret is at each look-up, `refresh` or not. */
  readonly secrets?: (name: string, refresh: boolean) => string
  /** Contracts of datasets. */
  readonly datasets?: PipelineOfSource['datasets']
} & Partial<Pick<RestTasksDeps, 'maxBodyBytes' | 'lookup' | 'proxy' | 'pause' | 'clock'>>

/** The service with a lake and a pipeline of one source. It never really waits: its waits are written down. */
export async function givenService({
  source,
  settings = {},
  secrets = () => 'secret',
  datasets = [],
  ...limits
}: Given) {
  const stack = new AsyncDisposableStack()
  const { path: directory } = stack.use(await temporaryDirectory())
  const lake = stack.use(await createDirectoryLake(join(directory, 'lake')))
  const log = recordingLog()
  const waits: number[] = []
  const tasks = restKind.createTasks({
    lake,
    fill: createFill({ settings, secrets: secretsFrom(secrets) }),
    clock: fixedClock('2026-03-02T03:00:00Z'),
    log,
    random: () => 0,
    async pause(waitMs, signal) {
      waits.push(waitMs)
      signal.throwIfAborted()
    },
    ...limits,
  })
  const schedule = { every: 'day', timeZone: 'Europe/Berlin', start: '2026-03-01', delayMs: 0 } as const
  const pipeline: PipelineOfSource = { name: 'shop', schedule, datasets }
  const frozen = await putPipeline(lake, { ...pipeline, sources: [source] } as typeof pipeline)
  const window = parseWindow({ every: 'day', timeZone: 'Europe/Berlin' }, '2026-03-01')
  if (window === undefined) throw new Error('no window')

  return {
    lake,
    /** Where the lake's files are. */
    directory: join(directory, 'lake'),
    log,
    waits,
    async ingest(fields: Partial<Ingest> = {}, signal = new AbortController().signal) {
      const header = aCommandHeader({
        pipeline: frozen,
        window,
        task: 'ingest crm/users',
      })
      const command: Ingest = { ...header, kind: 'ingest', source: 'crm', dataset: 'users', since: null, ...fields }
      return await tasks.ingest(command, { pipeline, source }, { signal, progress: () => {} })
    },
    async manifest(): Promise<Manifest | undefined> {
      const text = await lake.readText(manifestPath('shop', window.label, taskFileName('ingest crm/users'), 1))
      return text === undefined ? undefined : (JSON.parse(text) as Manifest)
    },
    csv: (path = 'raw/shop/api/crm/users/2026-03-01.csv') => readFileSync(join(directory, 'lake', path), 'utf8'),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}
export type Service = Awaited<ReturnType<typeof givenService>>

function secretsFrom(lookUp: (name: string, refresh: boolean) => string): Secrets {
  return {
    get: async (name, options = {}) => lookUp(name, options.refresh ?? false),
    has: async () => true,
    async [Symbol.asyncDispose]() {},
  }
}

type SourceFields = Partial<Omit<z.input<typeof RestSource>, 'datasets'>>
type DatasetFields = Partial<Omit<z.input<typeof RestDataset>, 'name'>>
/** Fields of a source, and of its one dataset. */
export type RestFields = SourceFields & Omit<DatasetFields, keyof SourceFields> & { readonly dataset?: DatasetFields }

/** A REST source `crm` with one dataset `users`. */
export function aRestSource({ dataset = {}, ...fields }: RestFields): RestSource {
  const isOfSource = ([name]: [string, unknown]) => Object.hasOwn(RestSource.shape, name)
  const given = Object.entries(fields)
  const ofDataset = { ...Object.fromEntries(given.filter((field) => !isOfSource(field))), ...dataset }
  return RestSource.parse({
    type: 'rest',
    name: 'crm',
    baseUrl: 'http://127.0.0.1:1',
    headers: {},
    auth: { type: 'none' },
    maxRetries: 3,
    timeoutMs: 5_000,
    ...Object.fromEntries(given.filter(isOfSource)),
    datasets: [
      { name: 'users', path: '/v1/users', query: {}, records: '$.data', pagination: { type: 'none' }, ...ofDataset },
    ],
  })
}
