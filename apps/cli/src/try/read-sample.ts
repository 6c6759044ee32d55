import { ConfigError, proxyFrom, silentLog, systemClock } from '@cinelake/core'
import type { CheckedSource } from '@cinelake/pipeline'
import type { SqlSession } from '@cinelake/engine'
import { createFill } from '@cinelake/secrets'
import type { Settings } from '@cinelake/service'
import { azureCredential } from '@cinelake/service/azure'
import { databaseKind, type DatabasePreviewDeps } from '@cinelake/source-database'
import { filesKind, type FilesPreviewDeps } from '@cinelake/source-files'
import { nothing, type Sample, type SourceInPipeline } from '@cinelake/source-kind'
import { pushKind, type PushPreviewDeps } from '@cinelake/source-push'
import { restKind, type RestPreviewDeps } from '@cinelake/source-rest'
import {
  type FileSample,
  sampleCsv,
  sampleFile,
  TRIED,
  triedColumn,
  unpack,
  type UnpackedFile,
} from '@cinelake/transformer'
import { openExistingLake, openSecrets } from '../open-parts.ts'
import { formatBytes, formatCount } from '../output/format-value.ts'
import { FILE_ROWS, SAMPLE_ROWS } from '../options.ts'
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

export type SampleContext = {
  readonly session: SqlSession
  /** Scratch that the session may read. */
  readonly directory: string
  readonly config: PlatformConfig
  readonly settings: Settings
  /** Rows to look at; how many depends on the source without it. */
  readonly limit: number | undefined
  readonly window: string | undefined
  readonly now: Date
  readonly signal: AbortSignal
}

/** The first rows of a dataset, with how its files have to be read, where they are files. */
export type ReadSample = { readonly sample: Sample; readonly file?: FileSample }

/** Reads the first rows of a dataset by the code of the services. */
export async function readSample(target: Target, context: SampleContext): Promise<ReadSample> {
  const { config, settings, window, now, signal, directory, session } = context
  const { pipeline, source, dataset } = target
  const limit = context.limit ?? (source.type === 'files' ? FILE_ROWS : SAMPLE_ROWS)
  await using secrets = await openSecrets(config, settings)
  let file: FileSample | undefined
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
    async readCsv(unpacked, of, rows) {
      const reading = pipeline.datasets.find(({ name }) => name === of)?.reading ?? { header: true, nulls: [] }
      const about = { session, limit: rows, directory, limits: config.unpacking, signal }
      const isReceived = source.type === 'files'
      const found = isReceived
        ? await sampleFile(unpacked, reading, about)
        : await sampleCsv(unpacked, reading, { ...about, findsShape: false })
      if (found === undefined) throw nothing(`${source.name}/${dataset}`, 'a header or a record')
      if (isReceived) file = found
      return await asSample(unpacked, found, isReceived ? undefined : { session, nulls: reading.nulls })
    },
    unpack: (landed, packed) => unpack({ landed, file: packed, directory, limits: config.unpacking, signal }),
    openLake: async () => await openExistingLake(config),
  }
  const kind: Preview<CheckedSource> = KINDS[source.type]
  const sample = await kind.preview({ pipeline, source }, dataset, deps)
  return { sample, ...(file === undefined ? {} : { file }) }
}

/**
 * A sample of a file. Its rows stay in the table, unless others want them.
 * @throws {ConfigError} terminal: hardly any record is a row
 */
async function asSample(
  { name }: UnpackedFile,
  { facts, columns, rowCount, unreadCount, isAll }: FileSample,
  wanted: { readonly session: SqlSession; readonly nulls: readonly string[] } | undefined,
): Promise<Sample> {
  if (unreadCount > rowCount) {
    const counts = `${formatCount(unreadCount)} of ${formatCount(unreadCount + rowCount)} records`
    throw new ConfigError('the file cannot be read as a table', [
      `${name}: expected records with as many fields as the header, got another number in ${counts}; say under \`read\` how it is written, or have it sent again`,
    ])
  }
  const wrong =
    unreadCount === 0 ? [] : [['left out', `${formatCount(unreadCount)} records that are no rows: rejects`] as const]
  const rows = wanted === undefined ? [] : await rowsOfTable(columns.length, wanted)
  return { facts: [...facts, ...wrong], columns, rows, isAll }
}

async function rowsOfTable(
  width: number,
  { session, nulls }: { readonly session: SqlSession; readonly nulls: readonly string[] },
): Promise<(string | null)[][]> {
  const words = new Set(nulls.map((word) => word.trim().toLowerCase()))
  const rows: (string | null)[][] = []
  const names = Array.from({ length: width }, (_, index) => triedColumn(index))
  const found = await session.rows<Readonly<Record<string, string | null>>>(`SELECT ${names.join(', ')} FROM ${TRIED}`)
  for (const row of found) {
    rows.push(
      names.map((name) => {
        const cell = row[name] ?? null
        return cell !== null && words.has(cell.trim().toLowerCase()) ? null : cell
      }),
    )
  }
  return rows
}
