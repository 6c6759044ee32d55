import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Discover, Ingest, Manifest } from '@cinelake/contracts'
import { manifestPath } from '@cinelake/contracts'
import { parseWindow, taskFileName, type WindowLength } from '@cinelake/core'
import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import { createDirectoryLake } from '@cinelake/lake/directory'
import type { PipelineOfSource } from '@cinelake/source-kind'
import type { DatabaseSource } from './config/index.ts'
import { createFill } from '@cinelake/secrets'
import { createEnvSecrets } from '@cinelake/secrets/env'
import { aCommandHeader, fixedClock, putPipeline, recordingLog, temporaryDirectory } from '@cinelake/testkit'
import { createDatabaseTasks } from './database-tasks.ts'

type Fields = Partial<Ingest> & { readonly label?: string }
type Given = {
  readonly sources: readonly DatabaseSource[]
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
  const schedule = { every, timeZone, start: '2026-03-01', delayMs: 0 }
  const text: PipelineOfSource = { name: 'shop', schedule, datasets: [] }
  const pipeline = await putPipeline(lake, { ...text, sources } as typeof text)
  const placeOf = (name: string) => {
    const source = sources.find((each) => each.name === name)
    if (source === undefined) throw new Error(`no source ${name}`)
    return { pipeline: text, source }
  }
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
      return await tasks.ingest(ingest, placeOf(ingest.source), context(signal, progress))
    },
    async discover(source: string, signal?: AbortSignal, label = '2026-03-01') {
      const header = aCommandHeader({ pipeline, task: `discover ${source}`, window: windowOf(label) })
      const discover: Discover = { ...header, kind: 'discover', source }
      return await tasks.discover(discover, placeOf(source), context(signal))
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
