import {
  type Ingest,
  type LeftOutFile,
  Manifest,
  manifestPath,
  type QualityResult,
  type TaskOutput,
} from '@cinelake/contracts'
import {
  type Balance,
  type Calendar,
  type Clock,
  defineErrors,
  type Log,
  taskFileName,
  terminal,
  transient,
  WINDOW_LENGTHS,
  windowAt,
} from '@cinelake/core'
import { createHash } from 'node:crypto'
import type { CallOptions, Lake, Written } from '../lake.ts'

/** The part of a lake that landing needs. */
export type LandingLake = Pick<Lake, 'read' | 'readText' | 'stat' | 'putIfAbsent' | 'writeIfAbsent'>

const landingErrors = defineErrors({
  /** A manifest in the lake that is not in the form that an ingest task writes. */
  LAKE_MANIFEST_CORRUPT: terminal((path: string, problem: string) => {
    const window = path.split('/')[3] ?? 'WINDOW'
    return [
      `manifest is damaged [path=${path}]: expected a manifest of version 1, got ${problem}; ` +
        `put it back from a copy, or land the window again from its source: \`cinelake run DIR --window ${window} --again\` (DIR is the folder of the pipeline)`,
      { path, problem },
    ]
  }),

  /** Content that differed when it was read a second time. */
  LAKE_LANDING_CHANGED: transient((path: string) => [
    `what was to be landed changed meanwhile [path=${path}]: expected the same bytes twice, got others; ` +
      'the next attempt reads it again',
    { path },
  ]),

  /**
   * The manifest of a successful window is missing, and with it the position that its source was read up to.
   * @param path in the lake @param window that was to resume from it
   */
  RAW_MANIFEST_LOST: terminal(
    (task: string, path: string, { before, window }: { readonly before: string; readonly window: string }) => [
      `how far the window before was read is not known any more [task=${task} file=${path}]: expected the manifest of ${before}, which succeeded, got no such object in the lake; nothing was read: ` +
        `put it back from a copy, or read everything again: \`cinelake run DIR --window ${window} --again\` (DIR is the folder of the pipeline; the same where the schedule was given another time zone)`,
      { task, file: path, window },
    ],
  ),
})

/** The path of the manifest of an ingest command. */
export function manifestOf({ pipeline, window, task, generation }: Ingest): string {
  return manifestPath(pipeline.name, window.label, taskFileName(task), generation)
}

/** The window's part of a path in raw; a deliberate re-run has its own. */
export function windowFolder({ window, generation }: Pick<Ingest, 'window' | 'generation'>): string {
  return generation === 1 ? window.label : `${window.label}.g${generation}`
}

/**
 * The manifest of a task that has landed already.
 * @returns undefined where the task has not landed yet
 * @throws {LAKE_MANIFEST_CORRUPT} terminal
 */
export async function readManifest(
  lake: Pick<Lake, 'readText'>,
  path: string,
  options?: CallOptions,
): Promise<Manifest | undefined> {
  const text = await lake.readText(path, options)
  if (text === undefined) return undefined
  const parsed = Manifest.safeParse(jsonOf(text, path))
  if (!parsed.success) {
    throw landingErrors.LAKE_MANIFEST_CORRUPT(path, `a text that differs at ${parsed.error.issues[0]?.path.join('.')}`)
  }
  return parsed.data
}

/**
 * Commits a landing. Of several concurrent attempts one wins, and all report its landing.
 * @returns the manifest that is in the lake now
 */
export async function commitManifest(
  lake: Pick<Lake, 'readText' | 'putIfAbsent'>,
  path: string,
  manifest: Manifest,
  options?: CallOptions,
): Promise<Manifest> {
  if ((await lake.putIfAbsent(path, JSON.stringify(manifest), options)) === 'created') return manifest
  return (await readManifest(lake, path, options)) ?? manifest
}

/**
 * Lands one object in raw and never replaces one: objects that a manifest names stay unchanged, whatever a late or
 * second attempt lands. An attempt with different bytes puts them into a folder named by their digest.
 * @param content returns the bytes from the start on each call
 * @returns where the bytes are, with their size and digest
 * @throws {LAKE_LANDING_CHANGED} transient
 */
export async function landObject(
  lake: LandingLake,
  path: string,
  content: () => AsyncIterable<Uint8Array>,
  options?: CallOptions,
): Promise<Written & { readonly path: string }> {
  const { outcome, sizeBytes, sha256 } = await lake.writeIfAbsent(path, content(), options)
  if (outcome === 'created' || (await digestOf(lake, path, options)) === sha256) return { path, sizeBytes, sha256 }
  const slash = path.lastIndexOf('/') + 1
  const own = `${path.slice(0, slash)}${sha256.slice(0, 16)}/${path.slice(slash)}`
  await lake.writeIfAbsent(own, expecting(sha256, path, content()), options)
  return { path: own, sizeBytes, sha256 }
}

/** The result of an ingest task; the rest of its manifest comes from the command. */
export type Landed = Pick<
  Manifest,
  | 'format'
  | 'files'
  | 'rowCount'
  | 'duplicateCount'
  | 'answers'
  | 'noContent'
  | 'isTyped'
  | 'quality'
  | 'leftOut'
  | 'late'
  | 'columns'
  | 'primaryKey'
  | 'snapshot'
  | 'cursor'
>

/**
 * Executes an ingest command idempotently: an attempt after a successful one reports that one's landing.
 * @param land lands the data; its result takes effect with the manifest
 */
export async function landOnce(
  {
    lake,
    clock,
    log,
  }: { readonly lake: Pick<Lake, 'readText' | 'putIfAbsent'>; readonly clock: Clock; readonly log: Log },
  command: Ingest,
  { signal }: { readonly signal: AbortSignal },
  land: () => Promise<Landed>,
) {
  const path = manifestOf(command)
  const { run, task, generation, source, dataset, window } = command
  const before = await readManifest(lake, path, { signal })
  if (before !== undefined) {
    log.info({ task, manifest: path }, 'landed already')
    return outcomeOf(before, path)
  }
  const started = clock().getTime()
  const found = await land().catch(async (error: unknown) => {
    // A faster attempt deletes objects that it no longer needs, which may have caused this one's error.
    const other = await readManifest(lake, path, { signal })
    if (other === undefined) throw error
    return outcomeOf(other, path)
  })
  if ('balance' in found) return found
  const landed = { version: 1, run, task, generation, source, dataset, window, ...found } as const
  const outcome = outcomeOf(await commitManifest(lake, path, landed, { signal }), path)
  const { fileCount, sizeBytes, rowCount } = outcome.output
  log.info({ task, fileCount, sizeBytes, rowCount, durationMs: clock().getTime() - started }, 'landed')
  return outcome
}

/** The facts that an ingest task reports of its landing. */
type LandingOutcome = {
  readonly balance: Balance
  readonly output: Extract<TaskOutput, { kind: 'landed' }>
  /** Skipped files by reason, where there are any. */
  readonly rejects?: Readonly<Record<string, number>>
  readonly quality?: readonly QualityResult[]
}

/** The balance of a manifest: rows where they were counted, else files. */
export function outcomeOf(manifest: Manifest, path: string): LandingOutcome {
  const { files, rowCount, duplicateCount = 0, leftOut = [], late = [], quality = [] } = manifest
  const count = rowCount ?? files.length
  const countOf = (some: readonly LeftOutFile[]) => some.reduce((sum, each) => sum + (each.rowCount ?? 1), 0)
  const landedBefore = countOf(leftOut.filter(({ reason }) => reason === 'landed-before'))
  const duplicates = duplicateCount + landedBefore
  const rejected = countOf(leftOut) - landedBefore
  const unit = rowCount === undefined ? 'files' : 'rows'
  const findings = [...quality, ...(rejected + late.length === 0 ? [] : findingsOf(manifest))]
  return {
    balance: { unit, in: count + rejected + duplicates, out: count, rejected, duplicates },
    ...(rejected === 0 ? {} : { rejects: rejectsOf(manifest) }),
    ...(findings.length === 0 ? {} : { quality: findings }),
    output: {
      kind: 'landed',
      manifest: path,
      fileCount: files.length,
      sizeBytes: files.reduce((sum, file) => sum + file.sizeBytes, 0),
      ...(rowCount === undefined ? {} : { rowCount }),
    },
  }
}

/** File names repeated in an event; all of them are in the manifest. */
const NAMED = 5

function rejectsOf({ leftOut = [] }: Manifest): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { reason, rowCount = 1 } of leftOut) {
    if (reason !== 'landed-before') counts[`file_${reason}`] = (counts[`file_${reason}`] ?? 0) + rowCount
  }
  return counts
}

/** Problems with the files of a landing, for display. */
function findingsOf(manifest: Manifest): QualityResult[] {
  const { files, leftOut = [], late = [] } = manifest
  const checked = files.length + leftOut.length + late.length
  const left = Object.entries(rejectsOf(manifest)).map(([rule, failed]) => {
    const files = leftOut.filter(({ reason }) => `file_${reason}` === rule)
    if (rule === 'file_unusable') return unusableFinding(manifest, files)
    const names = files.map(({ name, problem }) => (problem === undefined ? name : `${name} (${problem})`))
    const detail = `left out, as the dataset allows: ${someOf(names)}`
    return { rule, severity: 'warn' as const, checked, failed, detail }
  })
  if (late.length === 0) return left
  const windows = [...new Set(late.map(({ window }) => window))].sort()
  const detail =
    `came after their window had been ingested: ${someOf(late.map(({ name }) => name))}; ` +
    `run again with --again: ${windows.join(', ')}`
  return [...left, { rule: 'file_late', severity: 'warn', checked, failed: late.length, detail }]
}

/** Pushes that were accepted before the current checks existed: they are kept, and their rows count as rejected. */
function unusableFinding({ rowCount = 0 }: Manifest, files: readonly LeftOutFile[]): QualityResult {
  const failed = files.reduce((sum, file) => sum + (file.rowCount ?? 1), 0)
  const detail = `set aside, and kept in the lake as received: ${someOf(files.map(({ name, problem }) => `${name} (${problem})`))}; have them sent again as they should be`
  return { rule: 'file_unusable', severity: 'error', checked: rowCount + failed, failed, detail }
}

/** Names come from external systems: control characters, which could move a terminal's cursor, are escaped. */
function shown(name: string): string {
  const escaped = (char: string) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
  return name.replaceAll(/[\p{Cc}\u{2028}\u{2029}]/gu, escaped)
}

function someOf(names: readonly string[]): string {
  const some = names.slice(0, NAMED).map(shown).join(', ')
  return names.length > NAMED ? `${some} and ${names.length - NAMED} more` : some
}

/**
 * Passes bytes through and fails before the end if they differ from the expected digest, so that they never become
 * visible.
 */
async function* expecting(
  sha256: string,
  path: string,
  content: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  for await (const block of content) {
    hash.update(block)
    yield block
  }
  if (hash.digest('hex') !== sha256) throw landingErrors.LAKE_LANDING_CHANGED(path)
}

/** The object of an earlier attempt is not downloaded to compare it where the lake stores its digest. */
async function digestOf(lake: Pick<Lake, 'read' | 'stat'>, path: string, options?: CallOptions): Promise<string> {
  const known = (await lake.stat(path, options))?.sha256
  if (known !== undefined) return known
  const hash = createHash('sha256')
  for await (const block of lake.read(path, options)) hash.update(block)
  return hash.digest('hex')
}

function jsonOf(text: string, path: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw landingErrors.LAKE_MANIFEST_CORRUPT(path, 'a text that is not JSON')
  }
}

type Landing = { readonly pipeline: string; /** Of the window. */ readonly label: string; readonly task: string }

/** The landing of an ingest task in a window, of its newest generation. Undefined where there is none. */
export async function newestManifest(
  lake: Pick<Lake, 'list' | 'readText'>,
  landing: Landing,
  options?: CallOptions,
): Promise<Manifest | undefined> {
  const path = await newestManifestPath(lake, landing, options)
  return path === undefined ? undefined : await readManifest(lake, path, options)
}

/** Lake path of that manifest. Undefined where there is none. */
export async function newestManifestPath(
  lake: Pick<Lake, 'list'>,
  { pipeline, label, task }: Landing,
  options?: CallOptions,
): Promise<string | undefined> {
  const first = manifestPath(pipeline, label, taskFileName(task), 1).replace(/\.json$/, '')
  const generations: number[] = []
  for await (const { path } of lake.list(first.slice(0, first.lastIndexOf('/')), options)) {
    const suffix = path.startsWith(first) ? path.slice(first.length) : ''
    const found = /^(?:\.g(\d+))?\.json$/.exec(suffix)
    if (found !== null) generations.push(Number(found[1] ?? 1))
  }
  return generations.length === 0
    ? undefined
    : manifestPath(pipeline, label, taskFileName(task), Math.max(...generations))
}

type After = Pick<Ingest, 'pipeline' | 'task' | 'since' | 'generation' | 'window'>

/**
 * The landing of the last successful window, of its newest generation: the same for every attempt at a window. Its
 * length may differ from that of current windows: a schedule may change. Undefined the first time, and where it is
 * missing and the window is re-run deliberately, which reads from the start.
 * @throws {RAW_MANIFEST_LOST} terminal
 */
export async function manifestBefore(
  lake: Pick<Lake, 'list' | 'readText'>,
  { pipeline, task, since, generation, window }: After,
  schedule: Calendar,
  options?: CallOptions,
): Promise<Manifest | undefined> {
  if (since === null) return undefined
  const labelOf = (every: Calendar['every']) => windowAt({ ...schedule, every }, new Date(Date.parse(since) - 1)).label
  const label = labelOf(schedule.every)
  const found = await newestManifest(lake, { pipeline: pipeline.name, label, task }, options)
  if (found !== undefined) return found
  for (const every of WINDOW_LENGTHS) {
    if (every === schedule.every) continue
    const other = await newestManifest(lake, { pipeline: pipeline.name, label: labelOf(every), task }, options)
    if (other !== undefined && Date.parse(other.window.end) === Date.parse(since)) return other
  }
  if (generation > 1) return undefined
  const path = manifestPath(pipeline.name, label, taskFileName(task), 1)
  throw landingErrors.RAW_MANIFEST_LOST(task, path, { before: label, window: window.label })
}
