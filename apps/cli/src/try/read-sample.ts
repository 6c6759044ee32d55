import { windowAt } from '@cinelake/core'
import { createFill } from '@cinelake/secrets'
import { azureCredential } from '@cinelake/service/azure'
import { firstRows } from '@cinelake/source-database'
import { firstFile } from '@cinelake/source-files'
import { lastPushed } from '@cinelake/source-push'
import { unpack } from '@cinelake/transformer'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { openExistingLake, openSecrets } from '../open-parts.ts'
import { formatBytes, formatCount } from '../output/format-value.ts'
import { nothing, ofCsv, withoutCsv } from './csv-sample.ts'
import type { Reading } from './reading.ts'
import { ofApi } from './rest-sample.ts'
import type { Target } from './read-target.ts'
import type { Sample } from './sample.ts'
import { windowOfName } from './window-of-name.ts'

/** Reads the first rows of a dataset with what the services read it with. */
export async function readSample(
  target: Target,
  context: Omit<Reading, 'target' | 'fill' | 'directory'>,
): Promise<Sample> {
  await using secrets = await openSecrets(context.config, context.settings)
  await using scratch = await mkdtempDisposable(path.join(tmpdir(), 'cinelake-try-'))
  const fill = createFill({ settings: context.settings, secrets })
  const reading = { ...context, target, fill, directory: scratch.path }
  const { type } = target.source
  if (type === 'files') return await ofFiles(reading)
  if (type === 'database') return await ofTable(reading)
  return type === 'rest' ? await ofApi(reading) : await ofPushes(reading)
}

async function ofFiles({ config, target, fill, directory, limit, signal }: Reading): Promise<Sample> {
  const { source, pipeline } = target
  const dataset = source.type === 'files' ? source.datasets.find(({ name: own }) => own === target.dataset) : undefined
  if (source.type !== 'files' || dataset === undefined) throw new RangeError('expected a dataset of files')
  const found = await firstFile(source, dataset, { fill, timeZone: pipeline.schedule.timeZone, signal })
  const { name, file, sizeBytes, compression, fileCount } = found
  const facts = [
    ['files', `${formatCount(fileCount)} match, of any window`],
    ['read', `${name}, ${formatBytes(sizeBytes)}${compression === undefined ? '' : `, ${compression}`}`],
  ] as const
  const landed = { name, sizeBytes, ...(compression === undefined ? {} : { compression }) }
  const isNamed = dataset.windowFrom === undefined || dataset.windowFrom === 'name'
  const window = isNamed ? windowOfName(dataset.files, name, pipeline.schedule) : undefined
  for await (const unpacked of unpack({ landed, file, directory, limits: config.unpacking, signal })) {
    const sample = await ofCsv(unpacked, { target, limit, facts })
    return { ...sample, ...(window === undefined ? {} : { window }) }
  }
  throw nothing(target, 'an archive with a file in it')
}

async function ofPushes({ config, target, directory, limit, signal }: Reading): Promise<Sample> {
  await using lake = await openExistingLake(config)
  const place = { pipeline: target.pipeline.name, source: target.source.name, dataset: target.dataset }
  const { file, receipt } = await lastPushed(lake, place, { directory, limit, signal })
  const { format, rowCount, receivedAt } = receipt
  const facts = [['pushed', `${formatCount(rowCount)} rows in ${format} at ${receivedAt}`]] as const
  const sample = await ofCsv({ name: path.posix.basename(receipt.path), file }, { target, limit, facts })
  const { label: window } = windowAt(target.pipeline.schedule, new Date(receivedAt))
  return { ...(format === 'csv' ? sample : withoutCsv(sample)), window }
}

async function ofTable({ target, fill, limit, signal }: Reading): Promise<Sample> {
  const { source } = target
  const dataset =
    source.type === 'database' ? source.datasets.find(({ name: own }) => own === target.dataset) : undefined
  if (source.type !== 'database' || dataset === undefined) throw new RangeError('expected a table')
  const deps = { fill, credential: azureCredential, limit, signal }
  const { table, rows, isAll } = await firstRows(source, dataset.table, deps)
  return {
    facts: [['table', `${dataset.table.schema}.${dataset.table.name}, ${formatCount(table.columns.length)} columns`]],
    columns: table.columns.map(({ name, type, sourceType, nullable }) => ({
      name,
      type,
      sourceType,
      isNeverNull: !nullable,
    })),
    rows,
    isAll,
    primaryKey: table.primaryKey,
  }
}
