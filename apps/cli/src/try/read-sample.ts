import path from 'node:path'
import { proxyFrom, silentLog, systemClock } from '@cinelake/core'
import type { CheckedSource } from '@cinelake/pipeline'
import { createFill } from '@cinelake/secrets'
import type { Settings } from '@cinelake/service'
import { azureCredential } from '@cinelake/service/azure'
import { databaseKind, type DatabasePreviewDeps } from '@cinelake/source-database'
import { filesKind, type FilesPreviewDeps } from '@cinelake/source-files'
import { nothing, type Sample, type SourceInPipeline } from '@cinelake/source-kind'
import { pushKind, type PushPreviewDeps } from '@cinelake/source-push'
import { restKind, type RestPreviewDeps } from '@cinelake/source-rest'
import { sampleCsv, unpack, type UnpackedFile } from '@cinelake/transformer'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { openExistingLake, openSecrets } from '../open-parts.ts'
import { formatBytes, formatCount } from '../output/format-value.ts'
import type { PlatformConfig } from '../settings.ts'
import { chosenWindows } from '../windows.ts'
import type { Target } from './read-target.ts'

type Deps = FilesPreviewDeps & DatabasePreviewDeps & PushPreviewDeps & RestPreviewDeps
type Preview<Source extends CheckedSource> = {
  preview(place: SourceInPipeline<Source>, dataset: string, deps: Deps): Promise<Sample>
}

const KINDS: { readonly [Type in CheckedSource['type']]: Preview<Extract<CheckedSource, { type: Type }>> } = {
  files: filesKind,
  database: databaseKind,
  rest: restKind,
  push: pushKind,
}

type Context = {
  readonly config: PlatformConfig
  readonly settings: Settings
  readonly limit: number
  readonly window: string | undefined
  readonly now: Date
  readonly signal: AbortSignal
}

/** Reads the first rows of a dataset by the code of the services. */
export async function readSample(
  target: Target,
  { config, settings, limit, window, now, signal }: Context,
): Promise<Sample> {
  await using secrets = await openSecrets(config, settings)
  await using scratch = await mkdtempDisposable(path.join(tmpdir(), 'cinelake-try-'))
  const directory = scratch.path
  const { pipeline, source, dataset } = target
  const deps: Deps = {
    fill: createFill({ settings, secrets }),
    clock: systemClock,
    log: silentLog,
    azure: azureCredential,
    credential: azureCredential,
    proxy: proxyFrom(settings),
    limit,
    signal,
    directory,
    format: { count: formatCount, bytes: formatBytes },
    window() {
      const choice = { force: true, ...(window === undefined ? {} : { window }) } as const
      const [asked] = chosenWindows(pipeline, choice, now)
      if (asked === undefined) throw new RangeError('expected a window')
      return { window: asked, isAskedFor: window !== undefined }
    },
    readCsv: async (file, of, rows) => await sampleOfCsv(file, { target, dataset: of, limit: rows }),
    unpack: (landed, file) => unpack({ landed, file, directory, limits: config.unpacking, signal }),
    openLake: async () => await openExistingLake(config),
  }
  const kind: Preview<CheckedSource> = KINDS[source.type]
  return await kind.preview({ pipeline, source }, dataset, deps)
}

type CsvContext = {
  readonly target: Target
  /** The dataset of the rows. */
  readonly dataset: string
  readonly limit: number
}

/** The first rows of a CSV file, with its dialect. */
async function sampleOfCsv(file: UnpackedFile, { target, dataset, limit }: CsvContext): Promise<Sample> {
  const reading = target.pipeline.datasets.find(({ name }) => name === dataset)?.reading ?? { header: true, nulls: [] }
  const csv = await sampleCsv(file, reading, limit)
  if (csv === undefined) throw nothing(`${target.source.name}/${target.dataset}`, 'a header')
  const { encoding, delimiter, names, rows, misshapenCount, isAll } = csv
  const between = delimiter === undefined ? 'one column' : `delimiter ${delimiter === '\t' ? 'tab' : delimiter}`
  const wrong =
    misshapenCount === 0 ? [] : [['left out', `${formatCount(misshapenCount)} records that are no rows`] as const]
  return {
    facts: [['written', `${encoding}, ${between}${reading.header ? '' : ', no header'}`], ...wrong],
    columns: names.map((name) => ({ name })),
    rows: withoutNulls(rows, reading.nulls),
    isAll,
  }
}

/** The dataset's null words. */
function withoutNulls(rows: Sample['rows'], nulls: readonly string[]): Sample['rows'] {
  const words = new Set(nulls.map((word) => word.trim().toLowerCase()))
  return rows.map((row) => row.map((cell) => (cell !== null && words.has(cell.trim().toLowerCase()) ? null : cell)))
}
