import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Discover, Ingest, Manifest } from '@cinelake/contracts'
import { manifestPath } from '@cinelake/contracts'
import { parseWindow, taskFileName, type WindowLength } from '@cinelake/core'
import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import type { Lake } from '@cinelake/lake'
import { createDirectoryLake } from '@cinelake/lake/directory'
import { freezePipeline, loadPipeline, type CheckedPipeline, type CheckedSource } from '@cinelake/pipeline'
import { createFill } from '@cinelake/secrets'
import { createEnvSecrets } from '@cinelake/secrets/env'
import { aCommandHeader, fixedClock, recordingLog, temporaryDirectory } from '@cinelake/testkit'
import { createDatabaseTasks } from './database-tasks.ts'

type Fields = Partial<Ingest> & { readonly label?: string }
type Given = {
  readonly sources: readonly CheckedSource[]
  readonly every?: WindowLength
  readonly timeZone?: string
  /** What the agent's machine has in its environment, secrets included. */
  readonly settings?: Record<string, string>
}

/** An agent with a lake, an engine and a pipeline of these sources, on a disk of its own. */
export async function givenAgent({ sources, every = 'day', timeZone = 'Europe/Berlin', settings = {} }: Given) {
  const stack = new AsyncDisposableStack()
  const { path: directory } = stack.use(await temporaryDirectory())
  const lake = stack.use(await createDirectoryLake(join(directory, 'lake')))
  const engine = stack.use(
    await createDuckDbEngine({
      memoryBytes: 512 * 1024 * 1024,
      threads: 2,
      scratchDirectory: join(directory, 'scratch'),
      directories: [directory],
    }),
  )
  const log = recordingLog()
  const fill = createFill({ settings, secrets: createEnvSecrets(settings) })
  const stopping = new AbortController()
  stack.defer(() => stopping.abort())
  const held = { stopping: stopping.signal, lookEveryMs: 20 }
  const tasks = createDatabaseTasks({ lake, engine, fill, clock: fixedClock(), log, ...held })
  const pipeline = await freeze(lake, {
    sources: [...sources],
    schedule: { every, timeZone, start: '2026-03-01', delayMs: 0 },
  })
  const windowOf = (label: string) => {
    const window = parseWindow({ every, timeZone }, label)
    if (window === undefined) throw new Error(`no window ${label}`)
    return window
  }
  const command = (fields: Fields = {}) => anIngest(pipeline, windowOf(fields.label ?? '2026-03-01'), fields)
  const context = (signal = new AbortController().signal, progress = () => {}) => ({ signal, progress })

  return {
    directory,
    lake,
    log,
    session: () => engine.session(),
    command,
    async ingest(fields: Fields = {}, signal?: AbortSignal, progress?: () => void) {
      const ingest = command(fields)
      return await tasks.ingest(ingest, await loadPipeline(lake, pipeline), context(signal, progress))
    },
    async discover(source: string, signal?: AbortSignal, label = '2026-03-01') {
      const header = aCommandHeader({ pipeline, task: `discover ${source}`, window: windowOf(label) })
      const discover: Discover = { ...header, kind: 'discover', source }
      return await tasks.discover(discover, await loadPipeline(lake, pipeline), context(signal))
    },
    async manifest(task: string, { label = '2026-03-01', generation = 1 } = {}): Promise<Manifest | undefined> {
      const text = await lake.readText(
        manifestPath(pipeline.name, windowOf(label).label, taskFileName(task), generation),
      )
      return text === undefined ? undefined : (JSON.parse(text) as Manifest)
    },
    async pathsInRaw(): Promise<string[]> {
      const paths = []
      for await (const { path } of lake.list('raw')) paths.push(path)
      return paths
    },
    landedBytes: (path: string) => readFileSync(join(directory, 'lake', path)),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}
export type Agent = Awaited<ReturnType<typeof givenAgent>>

function anIngest(pipeline: Ingest['pipeline'], window: Ingest['window'], fields: Partial<Ingest>): Ingest {
  const { source = 'billing', dataset = 'tables', table, since = null, generation = 1, attempt = 1 } = fields
  const task = fields.task ?? `ingest ${source}/${dataset}`
  const header = aCommandHeader({ pipeline, window, task, generation, attempt })
  return { ...header, kind: 'ingest', source, dataset, since, ...(table && { table }) }
}

async function freeze(lake: Lake, fields: Pick<CheckedPipeline, 'sources' | 'schedule'>) {
  const pipeline: CheckedPipeline = {
    format: 1,
    name: 'shop',
    retry: { maxAttempts: 1, backoffMs: 0, maxBackoffMs: 0 },
    datasets: [],
    models: [],
    serve: [],
    ...fields,
  }
  const frozen = freezePipeline(pipeline)
  await lake.putIfAbsent(frozen.path, frozen.text)
  return { name: pipeline.name, digest: frozen.digest }
}
