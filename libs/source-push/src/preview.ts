import { createWriteStream } from 'node:fs'
import { join, posix } from 'node:path'
import { pipeline as pipe } from 'node:stream/promises'
import { ConfigError, windowAt } from '@cinelake/core'
import { withFacts, withoutCsv, type PreviewDeps, type Sample, type SourceInPipeline } from '@cinelake/source-kind'
import type { PushSource } from './config/push-source.ts'
import type { Lake } from '@cinelake/lake'
import { openCsvSpool } from '@cinelake/json-rows'
import { recordsOf } from './landing/land-pushed.ts'
import type { PushPlace } from './errors.ts'
import { findPushes, readRecordText, Receipt } from './landing/push-layout.ts'

/** Bytes of a CSV push that are read for a preview. */
const HEAD_BYTES = 4 * 1024 * 1024

export type PushPreviewDeps = PreviewDeps & {
  /** The lake that receives pushes, open for the duration of the preview. */
  readonly openLake: () => Promise<Lake & AsyncDisposable>
}

/** The first rows of the latest push to a dataset. */
export async function previewPush(
  { pipeline, source }: SourceInPipeline<PushSource>,
  dataset: string,
  { openLake, readCsv, format, directory, limit, signal }: PushPreviewDeps,
): Promise<Sample> {
  await using lake = await openLake()
  const place = { pipeline: pipeline.name, source: source.name, dataset }
  const { file, receipt } = await lastPushed(lake, place, { directory, limit, signal })
  const { rowCount, receivedAt } = receipt
  const facts = [['pushed', `${format.count(rowCount)} rows in ${receipt.format} at ${receivedAt}`]] as const
  const sample = withFacts(facts, await readCsv({ name: posix.basename(receipt.path), file }, dataset, limit))
  const { label: window } = windowAt(pipeline.schedule, new Date(receivedAt))
  return { ...(receipt.format === 'csv' ? sample : withoutCsv(sample)), window }
}

type LastPushed = {
  /** A CSV file as the push would land; only the beginning of a long one. */
  readonly file: string
  readonly receipt: Receipt
}

/**
 * The latest push to a dataset, for previews.
 * @throws {ConfigError} terminal: the dataset has no push
 */
async function lastPushed(
  lake: Lake,
  place: PushPlace & { readonly pipeline: string },
  { directory, limit, signal }: { readonly directory: string; readonly limit: number; readonly signal: AbortSignal },
): Promise<LastPushed> {
  const receipt = await lastReceipt(lake, await findPushes(lake, place.pipeline, place, { signal }), signal)
  if (receipt === undefined) {
    const problem = `${place.source}/${place.dataset}: expected a push, got none so far; push something, or name the service's lake with CINELAKE_LAKE`
    throw new ConfigError('there is nothing to look at yet', [problem])
  }
  const file = join(directory, 'pushed.csv')
  if (receipt.format === 'csv') {
    await pipe(lake.read(receipt.path, { end: HEAD_BYTES, signal }), createWriteStream(file))
    return { file, receipt }
  }
  await using spool = await openCsvSpool(join(directory, 'pushed.spool'))
  for await (const records of recordsOf(lake, receipt, signal)) {
    await spool.add(records.slice(0, limit - spool.rowCount), (error) => {
      throw error
    })
    if (spool.rowCount >= limit) break
  }
  await pipe(spool.content(), createWriteStream(file))
  return { file, receipt }
}

async function lastReceipt(lake: Lake, folder: string, signal: AbortSignal): Promise<Receipt | undefined> {
  let last: string | undefined
  const idOf = (path: string) => path.slice(path.lastIndexOf('/') + 1)
  for await (const { path } of lake.list(folder, { signal })) {
    if (path.includes('/_received/') && (last === undefined || idOf(path) > idOf(last))) last = path
  }
  return last === undefined ? undefined : readRecordText(Receipt, (await lake.readText(last, { signal })) ?? '', last)
}
