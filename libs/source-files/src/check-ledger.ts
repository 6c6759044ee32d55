import { landedFolder, type Ingest, type QualityResult } from '@cinelake/contracts'
import { concurrently, taskFileName, type Calendar, type Log } from '@cinelake/core'
import { manifestBefore, newestManifest, type Lake } from '@cinelake/lake'
import { createProcessedFileLedger, type ProcessedFileLedger } from './processed-file-ledger.ts'
import { FILES_AT_ONCE } from './with-timeout.ts'

type Drop = {
  readonly lake: Pick<Lake, 'list' | 'readText' | 'putIfAbsent'>
  readonly command: Ingest
  readonly calendar: Calendar
  readonly log: Log
  readonly signal: AbortSignal
}

export type Ledger = {
  /** SHA-256 of bytes that the ledger has a claim for; undefined if none is known. */
  readonly claimed: string | undefined
  /** Findings to report. */
  readonly quality: QualityResult[]
}

/**
 * Checks that the ledger of processed files holds all entries that the previous window knew of: without them every file would
 * land a second time. A ledger that has lost entries is rebuilt from the manifests, which name every file that ever landed,
 * and the repair is reported.
 * @throws {RAW_MANIFEST_LOST} terminal: the previous window succeeded, and its manifest is missing
 */
export async function checkLedger(drop: Drop, claims: ProcessedFileLedger): Promise<Ledger> {
  const { lake, command, calendar, signal } = drop
  if (command.since === null) return { claimed: undefined, quality: [] }
  const before = await manifestBefore(lake, command, calendar, { signal })
  const claimed = before?.claimed
  const isWhole = before !== undefined && (claimed === undefined || (await claims.has(claimed, { signal })))
  return isWhole ? { claimed, quality: [] } : { claimed, quality: [await restore(drop)] }
}

/** Writes a claim for each file of each manifest. Existing claims stay. */
async function restore({ lake, command, log, signal }: Drop): Promise<QualityResult> {
  const { pipeline, task, source, dataset } = command
  let [fileCount, windowCount] = [0, 0]
  for (const label of await landedWindows(lake, command, signal)) {
    const manifest = await newestManifest(lake, { pipeline: pipeline.name, label, task }, { signal })
    if (manifest === undefined) continue
    const claims = createProcessedFileLedger(lake, { ...command, window: manifest.window })
    await concurrently(
      manifest.files,
      FILES_AT_ONCE,
      async ({ sha256, name }) => await claims.claim(sha256, name, { signal }),
    )
    fileCount += manifest.files.length
    windowCount += 1
  }
  log.warn({ task, fileCount, windowCount }, 'ledger of processed files was lost and is made again')
  const detail =
    `the ledger of ${source}/${dataset} had lost files that it held: it was made again from the manifests of ` +
    `${windowCount} window${windowCount === 1 ? '' : 's'}; a file of a window whose manifest is gone as well lands once more`
  return { rule: 'file_ledger_lost', severity: 'warn', checked: fileCount, failed: fileCount, detail }
}

/** The windows in which a task landed files, oldest first. */
async function landedWindows(
  lake: Pick<Lake, 'list'>,
  { pipeline, task }: Ingest,
  signal: AbortSignal,
): Promise<string[]> {
  const folder = landedFolder(pipeline.name, '')
  const own = `/${taskFileName(task)}.`
  const labels = new Set<string>()
  for await (const { path } of lake.list(folder.slice(0, -1), { signal })) {
    const [label = '', file = ''] = path.slice(folder.length).split('/', 2)
    if (!label.startsWith('_') && `/${file}`.startsWith(own)) labels.add(label)
  }
  return [...labels].toSorted()
}
