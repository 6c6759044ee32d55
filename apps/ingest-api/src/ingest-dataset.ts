import { join } from 'node:path'
import type { TaskContext } from '@cinelake/bus'
import type { Ingest, Manifest } from '@cinelake/contracts'
import type { Clock, Log } from '@cinelake/core'
import { landObject, windowFolder, type Lake, type Landed } from '@cinelake/lake'
import type { RestDataset, RestSource } from '@cinelake/pipeline'
import type { Fill } from '@cinelake/secrets'
import { createCredentials } from './credentials.ts'
import { openCsvSpool, type CsvSpool } from './csv-spool.ts'
import { RestRecordError } from './errors.ts'
import { RecordProblem } from './flatten-record.ts'
import { readPages } from './read-pages.ts'
import { addressOf } from './request-address.ts'
import type { Requests } from './request-page.ts'

export type IngestDatasetDeps = Pick<Requests, 'random' | 'pause' | 'maxBodyBytes'> & {
  readonly lake: Lake
  readonly fill: Fill
  readonly clock: Clock
  readonly log: Log
}

/** Reads all pages of a dataset and lands them as one CSV file. */
export function createIngestDataset({ lake, fill, clock, log, random, pause, maxBodyBytes }: IngestDatasetDeps) {
  return async (
    command: Ingest,
    { source, dataset }: { readonly source: RestSource; readonly dataset: RestDataset },
    { signal, progress }: TaskContext,
  ): Promise<Landed> => {
    const address = await addressOf(source, dataset, command.window, fill)
    const { maxRetries, timeoutMs } = source
    const credentials = createCredentials(source, fill)
    const requests = { credentials, maxRetries, timeoutMs, maxBodyBytes, clock, random, pause, log, signal }

    await using scratch = await lake.scratch()
    await using spool = await openCsvSpool(join(scratch.directory, 'rows.csv'))
    let sizeBytes = 0
    for await (const page of readPages(source.name, dataset, address, requests)) {
      await spool.add(page.records, (error, index) => {
        throw error instanceof RecordProblem ? new RestRecordError(page.place, index + 1, error.message) : error
      })
      sizeBytes += page.sizeBytes
      progress({ rowCount: spool.rowCount, sizeBytes })
    }
    return { format: 'csv', files: await land(lake, spool, command, signal), rowCount: spool.rowCount }
  }
}

/** Without a record there is nothing to say about columns either, so no file. */
async function land(lake: Lake, spool: CsvSpool, command: Ingest, signal: AbortSignal): Promise<Manifest['files']> {
  if (spool.rowCount === 0) return []
  const { source, dataset } = command
  const path = `raw/api/${source}/${dataset}/${windowFolder(command)}.csv`
  const landed = await landObject(lake, path, () => spool.content(), { signal })
  return [{ ...landed, name: `${dataset}/${windowFolder(command)}.csv`, rowCount: spool.rowCount }]
}
