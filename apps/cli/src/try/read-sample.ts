import { proxyFrom, silentLog, systemClock } from '@cinelake/core'
import type { CheckedSource } from '@cinelake/pipeline'
import { createFill } from '@cinelake/secrets'
import type { Settings } from '@cinelake/service'
import { azureCredential } from '@cinelake/service/azure'
import { databaseKind, type DatabasePreviewDeps } from '@cinelake/source-database'
import { filesKind, type FilesPreviewDeps } from '@cinelake/source-files'
import type { Sample, SourceInPipeline } from '@cinelake/source-kind'
import { pushKind, type PushPreviewDeps } from '@cinelake/source-push'
import { restKind, type RestPreviewDeps } from '@cinelake/source-rest'
import { unpack } from '@cinelake/transformer'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { openExistingLake, openSecrets } from '../open-parts.ts'
import { formatBytes, formatCount } from '../output/format-value.ts'
import type { PlatformConfig } from '../settings.ts'
import { chosenWindows } from '../windows.ts'
import { sampleOfCsv } from './csv-sample.ts'
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

/** Reads the first rows of a dataset with what the services read it with. */
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
