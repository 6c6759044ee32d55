import { join } from 'node:path'
import type { Discover } from '@cinelake/contracts'
import type { WindowLength } from '@cinelake/core'
import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import { createDirectoryLake } from '@cinelake/lake/directory'
import { createFill } from '@cinelake/secrets'
import { createEnvSecrets } from '@cinelake/secrets/env'
import {
  aCommandHeader,
  aSourcePipeline,
  fixedClock,
  recordingLog,
  temporaryDirectory,
  type IngestFields,
} from '@cinelake/testkit'
import type { DatabaseSource } from './config/index.ts'
import { createDatabaseTasks } from './database-tasks.ts'

type Given = {
  readonly sources: readonly DatabaseSource[]
  readonly every?: WindowLength
  readonly timeZone?: string
  /** What the agent's machine has in its environment, secrets included. */
  readonly settings?: Record<string, string>
}

/** An agent with a lake, an engine and a pipeline of these sources, on a disk of its own. */
export async function givenAgent({ settings = {}, ...given }: Given) {
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
  const shop = await aSourcePipeline({ lake, directory }, { ...given, source: 'billing', dataset: 'tables' })

  return {
    ...shop,
    directory,
    lake,
    log,
    session: () => engine.session(),
    async ingest(fields: IngestFields = {}, signal?: AbortSignal, progress?: () => void) {
      const ingest = shop.command(fields)
      return await tasks.ingest(ingest, shop.placeOf(ingest.source), shop.context(signal, progress))
    },
    async discover(source: string, signal?: AbortSignal, label = '2026-03-01') {
      const header = aCommandHeader({
        pipeline: shop.pipeline,
        task: `discover ${source}`,
        window: shop.windowOf(label),
      })
      const discover: Discover = { ...header, kind: 'discover', source }
      return await tasks.discover(discover, shop.placeOf(source), shop.context(signal))
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}
export type Agent = Awaited<ReturnType<typeof givenAgent>>
