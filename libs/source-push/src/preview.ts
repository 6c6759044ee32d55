import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { pipeline as pipe } from 'node:stream/promises'
import { ConfigError } from '@cinelake/core'
import type { Lake } from '@cinelake/lake'
import { openCsvSpool } from '@cinelake/json-rows'
import { recordsOf } from './landing/land-pushed.ts'
import type { PushPlace } from './errors.ts'
import { findPushes } from './landing/locate-pushes.ts'
import { readRecordText, Receipt } from './landing/push-layout.ts'

/** Bytes of a push in CSV that are looked at. */
const HEAD_BYTES = 4 * 1024 * 1024

export type LastPushed = {
  /** A CSV file as the push would land; of a long one its beginning. */
  readonly file: string
  readonly receipt: Receipt
}

/**
 * What was pushed to a dataset last, for looking at what it is like.
 * @throws {ConfigError} terminal: nothing was
 */
export async function lastPushed(
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
