import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { manifestPath, type Ingest, type Manifest } from '@cinelake/contracts'
import { parseWindow, taskFileName, type WindowLength } from '@cinelake/core'
import { aCommandHeader } from './command-header.ts'
import { putPipeline } from './pipeline-text.ts'

type Lake = {
  putIfAbsent(path: string, content: string): Promise<unknown>
  readText(path: string): Promise<string | undefined>
  list(folder: string): AsyncIterable<{ readonly path: string }>
}

type Given<Source> = {
  readonly sources: readonly Source[]
  readonly every?: WindowLength | undefined
  readonly timeZone?: string | undefined
  /** Of the commands; what they do not say is said here. */
  readonly source: string
  readonly dataset: string
}

/** What a command says otherwise; `label` names its window. */
export type IngestFields = Partial<Ingest> & { readonly label?: string }

type Context = { readonly signal: AbortSignal; readonly progress: () => void }

const FIRST_DAY = '2026-03-01'

/**
 * A pipeline of these sources in a lake, its commands, and what they landed.
 * @param directory has the lake in its folder `lake`
 */
export async function aSourcePipeline<Source extends { readonly name: string }>(
  { lake, directory }: { readonly lake: Lake; readonly directory: string },
  { sources, every = 'day', timeZone = 'Europe/Berlin', source: usual, dataset: usualDataset }: Given<Source>,
) {
  const text = { name: 'shop', schedule: { every, timeZone, start: FIRST_DAY, delayMs: 0 }, datasets: [] }
  const pipeline = await putPipeline(lake, { ...text, sources } as typeof text)
  const windowOf = (label: string) => {
    const window = parseWindow({ every, timeZone }, label)
    if (window === undefined) throw new Error(`no window ${label}`)
    return window
  }
  return {
    pipeline,
    windowOf,
    /** The pipeline and the source, as handlers receive them. */
    placeOf(name: string) {
      const source = sources.find((each) => each.name === name)
      if (source === undefined) throw new Error(`no source ${name}`)
      return { pipeline: text, source }
    },
    command({ label = FIRST_DAY, source = usual, dataset = usualDataset, ...fields }: IngestFields = {}): Ingest {
      const { table, since = null, generation = 1, attempt = 1, task = `ingest ${source}/${dataset}` } = fields
      const header = aCommandHeader({ pipeline, window: windowOf(label), task, generation, attempt })
      return { ...header, kind: 'ingest', source, dataset, since, ...(table && { table }) }
    },
    context(signal: AbortSignal = new AbortController().signal, progress = () => {}): Context {
      return { signal, progress }
    },
    async manifest(task: string, { label = FIRST_DAY, generation = 1 } = {}): Promise<Manifest | undefined> {
      const found = await lake.readText(
        manifestPath(pipeline.name, windowOf(label).label, taskFileName(task), generation),
      )
      return found === undefined ? undefined : (JSON.parse(found) as Manifest)
    },
    async pathsInRaw(): Promise<string[]> {
      const paths = []
      for await (const { path } of lake.list('raw')) paths.push(path)
      return paths
    },
    landedBytes: (path: string) => readFileSync(join(directory, 'lake', path)),
  }
}
