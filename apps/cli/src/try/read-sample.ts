import { ConfigError, silentLog, systemClock } from '@cinelake/core'
import { firstPages, lastPushed } from '@cinelake/ingest-api'
import { firstFile, firstRows } from '@cinelake/ingest-files'
import { createFill, type Fill } from '@cinelake/secrets'
import type { Settings } from '@cinelake/service'
import { azureCredential } from '@cinelake/service/azure'
import { sampleCsv, unpack } from '@cinelake/transformer'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { openExistingLake, openSecrets } from '../open-parts.ts'
import { formatBytes, formatCount } from '../output/format-value.ts'
import type { PlatformConfig } from '../settings.ts'
import { chosenWindows } from '../windows.ts'
import type { Target } from './read-target.ts'
import type { Sample } from './sample.ts'

type Context = {
  readonly config: PlatformConfig
  readonly settings: Settings
  readonly limit: number
  readonly window: string | undefined
  readonly now: Date
  readonly signal: AbortSignal
}

type Reading = Context & { readonly target: Target; readonly fill: Fill; readonly directory: string }

/** Reads the first rows of a dataset with what the services read it with. */
export async function readSample(target: Target, context: Context): Promise<Sample> {
  await using secrets = await openSecrets(context.config, context.settings)
  await using scratch = await mkdtempDisposable(path.join(tmpdir(), 'cinelake-try-'))
  const fill = createFill({ settings: context.settings, secrets })
  const reading = { ...context, target, fill, directory: scratch.path }
  const { type } = target.source
  if (type === 'files') return await ofFiles(reading)
  if (type === 'database') return await ofTable(reading)
  return type === 'rest' ? await ofApi(reading) : await ofPushes(reading)
}

async function ofFiles({ target, fill, directory, limit, signal }: Reading): Promise<Sample> {
  const { source, pipeline } = target
  const dataset = source.type === 'files' ? source.datasets[0] : undefined
  if (source.type !== 'files' || dataset === undefined) throw new RangeError('expected a dataset of files')
  const found = await firstFile(source, dataset, { fill, timeZone: pipeline.schedule.timeZone, signal })
  const { name, file, sizeBytes, compression, fileCount } = found
  const facts = [
    ['files', `${formatCount(fileCount)} match, of any window`],
    ['read', `${name}, ${formatBytes(sizeBytes)}${compression === undefined ? '' : `, ${compression}`}`],
  ] as const
  const landed = { name, ...(compression === undefined ? {} : { compression }) }
  for await (const unpacked of unpack({ landed, file, directory, signal })) {
    return await ofCsv(unpacked.file, { target, limit, facts })
  }
  throw nothing(target, 'an archive with a file in it')
}

async function ofApi({ target, fill, directory, limit, window, now, signal }: Reading): Promise<Sample> {
  const { source, pipeline } = target
  const dataset = source.type === 'rest' ? source.datasets[0] : undefined
  const [chosen] = chosenWindows(pipeline, window === undefined ? {} : { window }, now)
  if (source.type !== 'rest' || dataset === undefined || chosen === undefined) throw new RangeError('expected an API')
  const deps = { fill, clock: systemClock, log: silentLog, azure: azureCredential, directory, limit, signal }
  const pages = await firstPages(pipeline, { source, dataset, window: chosen }, deps)
  const { recognised, unknown } = pages
  const facts: [string, string][] = [
    ['asked', `${formatCount(pages.pageCount)} page${pages.pageCount === 1 ? '' : 's'} of window ${chosen.label}`],
    ['pagination', unknown ?? (recognised === undefined ? dataset.pagination.type : `${recognised.type}, recognised`)],
  ]
  if (pages.rowCount === 0) throw nothing(target, 'a record')
  const sample = await ofCsv(pages.file, { target, limit, facts })
  const isAll = sample.isAll && !pages.hasMore
  const isUnsaid = dataset.pagination.type === 'none' && recognised !== undefined && recognised.type !== 'none'
  return { ...withoutCsv(sample), isAll, ...(isUnsaid ? { pagination: { type: 'auto' } } : {}) }
}

async function ofPushes({ config, target, directory, limit, signal }: Reading): Promise<Sample> {
  await using lake = await openExistingLake(config)
  const place = { source: target.source.name, dataset: target.dataset }
  const { file, receipt } = await lastPushed(lake, place, { directory, limit, signal })
  const { format, rowCount, receivedAt } = receipt
  const facts = [['pushed', `${formatCount(rowCount)} rows in ${format} at ${receivedAt}`]] as const
  const sample = await ofCsv(file, { target, limit, facts })
  return format === 'csv' ? sample : withoutCsv(sample)
}

async function ofTable({ target, fill, limit, signal }: Reading): Promise<Sample> {
  const { source } = target
  const dataset = source.type === 'database' ? source.datasets[0] : undefined
  if (source.type !== 'database' || dataset === undefined) throw new RangeError('expected a table')
  const deps = { fill, credential: azureCredential, limit, signal }
  const { table, rows, isAll } = await firstRows(source, dataset.table, deps)
  return {
    facts: [['table', `${dataset.table.schema}.${dataset.table.name}, ${formatCount(table.columns.length)} columns`]],
    columns: table.columns.map(({ name, type }) => ({ name, type })),
    rows,
    isAll,
    primaryKey: table.primaryKey,
  }
}

/** What the platform writes itself says nothing about the source. */
function withoutCsv(sample: Sample): Sample {
  return { ...sample, facts: sample.facts.filter(([what]) => what !== 'written') }
}

type CsvContext = { readonly target: Target; readonly limit: number; readonly facts: Sample['facts'] }

async function ofCsv(file: string, { target, limit, facts }: CsvContext): Promise<Sample> {
  const reading = target.pipeline.datasets[0]?.reading ?? { header: true, nulls: [] }
  const csv = await sampleCsv(file, reading, limit)
  if (csv === undefined) throw nothing(target, 'a header')
  const { encoding, delimiter, names, rows, misshapenCount, isAll } = csv
  const between = delimiter === undefined ? 'one column' : `delimiter ${delimiter === '\t' ? 'tab' : delimiter}`
  const wrong =
    misshapenCount === 0 ? [] : [['left out', `${formatCount(misshapenCount)} records that are no rows`] as const]
  return {
    facts: [...facts, ['written', `${encoding}, ${between}${reading.header ? '' : ', no header'}`], ...wrong],
    columns: names.map((name) => ({ name })),
    rows: withoutNulls(rows, reading.nulls),
    isAll,
  }
}

/** Words that the dataset says mean nothing. */
function withoutNulls(rows: Sample['rows'], nulls: readonly string[]): Sample['rows'] {
  const words = new Set(nulls.map((word) => word.trim().toLowerCase()))
  return rows.map((row) => row.map((cell) => (cell !== null && words.has(cell.trim().toLowerCase()) ? null : cell)))
}

function nothing(target: Target, expected: string): ConfigError {
  const problem = `${target.source.name}/${target.dataset}: expected ${expected}, got none; try another window or file`
  return new ConfigError('there is nothing to look at', [problem])
}
