import { landedFolder, type Ingest, type QualityResult } from '@cinelake/contracts'
import { taskFileName, type Calendar, type Log } from '@cinelake/core'
import { manifestBefore, newestManifest, type Lake } from '@cinelake/lake'
import { atOnce } from './at-once.ts'
import { createProcessedFileLedger, type ProcessedFileLedger } from './processed-file-ledger.ts'

type Drop = {
  readonly lake: Pick<Lake, 'list' | 'readText' | 'putIfAbsent'>
  readonly command: Ingest
  readonly calendar: Calendar
  readonly log: Log
  readonly signal: AbortSignal
}

export type Ledger = {
  /** Bytes that the ledger has; undefined where it is not known to have any. */
  readonly claimed: string | undefined
  /** What is to be told of it. */
  readonly quality: QualityResult[]
}

/**
 * Checks that the ledger of processed files holds what the window before knew it to hold: without it every file would
 * land once more. One that has lost something is made again from the manifests, which name all that ever landed, and
 * that is told.
 * @throws {RAW_MANIFEST_LOST} terminal: the window before succeeded, and its manifest is gone
 */
export async function checkLedger(drop: Drop, claims: ProcessedFileLedger): Promise<Ledger> {
  const { lake, command, calendar, signal } = drop
  if (command.since === null) return { claimed: undefined, quality: [] }
  const before = await manifestBefore(lake, command, calendar, { signal })
  const claimed = before?.claimed
  const isWhole = before !== undefined && (claimed === undefined || (await claims.has(claimed, { signal })))
  return isWhole ? { claimed, quality: [] } : { claimed, quality: [await restore(drop)] }
}

/** A claim for each file of each manifest. Those that are there stay. */
async function restore({ lake, command, log, signal }: Drop): Promise<QualityResult> {
  const { pipeline, task, source, dataset } = command
  let [fileCount, windowCount] = [0, 0]
  for (const label of await landedWindows(lake, command, signal)) {
    const manifest = await newestManifest(lake, { pipeline: pipeline.name, label, task }, { signal })
    if (manifest === undefined) continue
    const claims = createProcessedFileLedger(lake, { ...command, window: manifest.window })
    await atOnce(manifest.files, async ({ sha256, name }) => await claims.claim(sha256, name, { signal }))
    fileCount += manifest.files.length
    windowCount += 1
  }
  log.warn({ task, fileCount, windowCount }, 'ledger of processed files was lost and is made again')
  const detail =
    `the ledger of ${source}/${dataset} had lost files that it held: it was made again from the manifests of ` +
    `${windowCount} window${windowCount === 1 ? '' : 's'}; a file of a window whose manifest is gone as well lands once more`
  return { rule: 'file_ledger_lost', severity: 'warn', checked: fileCount, failed: fileCount, detail }
}

/** The windows in which a task landed something, oldest first. */
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
