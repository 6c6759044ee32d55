import { readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Ingest, Manifest } from '@cinelake/contracts'
import { manifestPath } from '@cinelake/contracts'
import { parseWindow, taskFileName, type WindowLength } from '@cinelake/core'
import { createDirectoryLake } from '@cinelake/lake/directory'
import type { PipelineOfSource } from '@cinelake/source-kind'
import type { FilesSource, FilesDataset } from './config/index.ts'
import { createFill } from '@cinelake/secrets'
import { createEnvSecrets } from '@cinelake/secrets/env'
import { aCommandHeader, fixedClock, putPipeline, recordingLog, temporaryDirectory } from '@cinelake/testkit'
import { createFilesTasks } from './files-tasks.ts'

type Fields = Partial<Ingest> & { readonly label?: string }
type Given = {
  readonly sources: readonly FilesSource[]
  readonly every?: WindowLength
  readonly timeZone?: string
  /** What the agent's machine has in its environment, secrets included. */
  readonly settings?: Record<string, string>
}

/** An agent with a lake and a pipeline of these sources, on a disk of its own. */
export async function givenAgent({ sources, every = 'day', timeZone = 'Europe/Berlin', settings = {} }: Given) {
  const stack = new AsyncDisposableStack()
  const { path: directory } = stack.use(await temporaryDirectory())
  const lake = stack.use(await createDirectoryLake(join(directory, 'lake')))
  const log = recordingLog()
  const fill = createFill({ settings, secrets: createEnvSecrets(settings) })
  const tasks = createFilesTasks({ lake, fill, clock: fixedClock(), log })
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
    async ingest(fields: Fields = {}, signal?: AbortSignal, progress?: () => void) {
      const ingest = command(fields)
      return await tasks.ingest(ingest, placeOf(ingest.source), context(signal, progress))
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
  const { source = 'catalogue', dataset = 'titles', since = null, generation = 1, attempt = 1 } = fields
  const task = fields.task ?? `ingest ${source}/${dataset}`
  const header = aCommandHeader({ pipeline, window, task, generation, attempt })
  return { ...header, kind: 'ingest', source, dataset, since }
}

/** A files source with one dataset `titles`. */
export function aFilesSource(fields: Partial<FilesDataset> & { path: string }): FilesSource {
  const { path, files = 'titles_{yyyy}{MM}{dd}*.csv', whenMissing = 'fail', ...rules } = fields
  return { type: 'files', name: 'catalogue', path, datasets: [{ ...rules, name: 'titles', files, whenMissing }] }
}

/** Writes files below a folder; names may hold folders. */
export async function drop(folder: string, files: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const file = join(folder, name)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, content)
  }
}
