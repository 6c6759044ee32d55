import { type Ingest, type QualityResult, landedFilesFolder, landedFolder } from '@cinelake/contracts'
import { type Calendar, type Log, concurrently, sha256 as sha256Of, taskFileName } from '@cinelake/core'
import { type Lake, manifestBefore, newestManifest } from '@cinelake/lake'
import { z } from 'zod'
import { FILES_AT_ONCE, fileErrors } from './errors.ts'

/**
 * The ledger of which window lands which bytes: `raw/_landed/<pipeline>/_files/<source>.<dataset>/<sha256>.json`, written with
 * put-if-absent before the manifest that names the files. A claim is valid until its window has landed without the file; then
 * the next window claims it with `<sha256>.2.json`, and so on: the last claim counts.
 */
const Claim = z.object({ version: z.literal(1), window: z.string(), task: z.string(), name: z.string() })
type Claim = z.infer<typeof Claim>

/** `_seen/<sha256 of a file's identity>.json`: the digest of a file that was read, so that it need not be read again. */
const Seen = z.object({ version: z.literal(1), sha256: z.string().regex(/^[0-9a-f]{64}$/) })

/** The owner of some bytes. `elsewhere`: another window; `landed` if its manifest exists, else it is going to land them. */
export type Holder = { readonly holder: 'nobody' | 'this' } | { readonly holder: 'elsewhere'; readonly landed: boolean }

type Options = { readonly signal?: AbortSignal }

/** The claims of one dataset, from the point of view of one window's ingest. */
export function createProcessedFileLedger(lake: Pick<Lake, 'readText' | 'putIfAbsent' | 'list'>, command: Ingest) {
  const { pipeline, window, task, source, dataset } = command
  const folder = landedFilesFolder(pipeline.name, source, dataset)
  const pathOf = (sha256: string, number: number) => `${folder}/${sha256}${number === 1 ? '' : `.${number}`}.json`

  /** The number for the next claim, and the owner of the last one. @param landedIn the digests that a window has landed */
  const look = async (
    sha256: string,
    landedIn: ReturnType<typeof createLandedIn>,
    options: Options,
  ): Promise<Holder & { readonly next: number }> => {
    let last: Claim | undefined
    let next = 1
    for (;;) {
      const text = await lake.readText(pathOf(sha256, next), options)
      if (text === undefined) break
      last = readClaim(text, pathOf(sha256, next))
      next += 1
    }
    if (last === undefined) return { holder: 'nobody', next }
    if (last.window === window.label) return { holder: 'this', next }
    const digests = await landedIn(last.window, options)
    if (digests === undefined) return { holder: 'elsewhere', landed: false, next }
    const landed = digests.has(sha256)
    return landed ? { holder: 'elsewhere', landed, next } : { holder: 'nobody', next }
  }

  /** Reads each manifest once for all files that it may name; once more for the claims, which are written last. */
  const createLandedIn = () => {
    const known = new Map<string, Promise<ReadonlySet<string> | undefined>>()
    return async (label: string, options: Options) => {
      const found = known.get(label) ?? digestsOf(label, options)
      known.set(label, found)
      return await found
    }
  }
  const digestsOf = async (label: string, options: Options) => {
    const manifest = await newestManifest(lake, { pipeline: pipeline.name, label, task }, options)
    return manifest && new Set(manifest.files.map((file) => file.sha256))
  }
  const [landedBefore, landedByNow] = [createLandedIn(), createLandedIn()]

  return {
    /** Whether any window has claimed these bytes. */
    has: async (sha256: string, options: Options = {}): Promise<boolean> =>
      (await lake.readText(pathOf(sha256, 1), options)) !== undefined,

    look: async (sha256: string, options: Options = {}): Promise<Holder> => await look(sha256, landedBefore, options),

    /**
     * The digest of a file, which is read once for all windows where its place can tell that it is the same.
     * @param identity undefined: it cannot
     */
    async digestOf(identity: string | undefined, read: () => Promise<string>, options: Options = {}): Promise<string> {
      if (identity === undefined) return await read()
      const path = `${folder}/_seen/${sha256Of(identity)}.json`
      const text = await lake.readText(path, options)
      if (text !== undefined) return readSeen(text, path)
      const sha256 = await read()
      await lake.putIfAbsent(path, JSON.stringify({ version: 1, sha256 }), options)
      return sha256
    },

    /** Claims bytes for this window. @returns the owner after the call: `this`, or another window that was faster */
    async claim(sha256: string, name: string, options: Options = {}): Promise<Holder> {
      for (;;) {
        const found = await look(sha256, landedByNow, options)
        if (found.holder !== 'nobody') return found
        const claim: Claim = { version: 1, window: window.label, task, name }
        if ((await lake.putIfAbsent(pathOf(sha256, found.next), JSON.stringify(claim), options)) === 'created')
          return { holder: 'this' }
      }
    },
  }
}
export type ProcessedFileLedger = ReturnType<typeof createProcessedFileLedger>

function readSeen(text: string, path: string): string {
  try {
    return Seen.parse(JSON.parse(text)).sha256
  } catch (error) {
    throw fileErrors.FILES_CLAIM_CORRUPT(path, { cause: error })
  }
}

function readClaim(text: string, path: string): Claim {
  try {
    return Claim.parse(JSON.parse(text))
  } catch (error) {
    throw fileErrors.FILES_CLAIM_CORRUPT(path, { cause: error })
  }
}

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
