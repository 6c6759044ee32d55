import type { TaskContext } from '@cinelake/bus'
import type { Ingest, LandedFile, LeftOutFile } from '@cinelake/contracts'
import { type Calendar, type Clock, type Log, concurrently } from '@cinelake/core'
import { type Lake, type Landed, newestManifest } from '@cinelake/lake'
import type { FilesDataset, FilesSource } from './config/index.ts'
import { FILES_AT_ONCE, fileErrors } from './errors.ts'
import { parseFilePattern } from './file-pattern.ts'
import { findUnstable } from './find-unstable.ts'
import { type Fate, type WantedFile, digestOf, fateOfHeld, landFile } from './land-file.ts'
import { type ChosenFiles, type LateFile, chooseFiles, findLate } from './late-files.ts'
import type { DropPlace, FoundFile } from './places/drop-place.ts'
import { isMarker } from './places/local-paths.ts'
import { type DropPlaceDeps, inDropPlace } from './places/open.ts'
import { type ProcessedFileLedger, checkLedger, createProcessedFileLedger } from './processed-file-ledger.ts'

/** Milliseconds before a window in which late files are searched for, unless the dataset sets another value. */
const LATE_FOR_MS = 7 * 86_400_000

type Deps = DropPlaceDeps & { readonly lake: Lake; readonly clock: Clock; readonly log: Log }

/** A dataset of a files source, and the calendar of its pipeline. */
export type FilesPlace = {
  readonly source: FilesSource
  readonly dataset: FilesDataset
  readonly calendar: Calendar
}

type Drop = FilesPlace & Deps & TaskContext & { readonly command: Ingest; readonly place: DropPlace }

/** Copies the files of one window into raw, byte for byte. */
export function createIngestFileDrop(deps: Deps) {
  return async (command: Ingest, where: FilesPlace, context: TaskContext): Promise<Landed> =>
    await inDropPlace(where, deps, async (place) => await ingestFrom({ ...deps, ...where, ...context, command, place }))
}

async function ingestFrom(drop: Drop): Promise<Landed> {
  const leftOut: LeftOutFile[] = []
  const chosen = await look(drop, leftOut)
  const claims = drop.dataset.once === true ? createProcessedFileLedger(drop.lake, drop.command) : undefined
  const ledger = claims && (await checkLedger(drop, claims))
  const late = await lateOf(drop, chosen, claims)
  const included = drop.dataset.late === 'include' ? late : []
  const complete = await withoutFaulty(drop, [...chosen.wanted, ...included.map(asWanted)], leftOut)
  const landed = await landAll(drop, { claims, complete, leftOut })
  const carried = await carriedOver(drop, landed)
  if (carried.length + landed.length === 0 && isNothing(leftOut, chosen)) reportMissing(drop)
  const waiting = drop.dataset.late === 'include' ? [] : late
  const claimed = claims && (landed.at(-1)?.sha256 ?? ledger?.claimed)
  return {
    format: 'csv',
    files: [...carried, ...landed],
    ...(claimed === undefined ? {} : { claimed }),
    ...(ledger === undefined || ledger.quality.length === 0 ? {} : { quality: ledger.quality }),
    ...(leftOut.length === 0 ? {} : { leftOut }),
    ...(waiting.length === 0 ? {} : { late: waiting.map(({ file, window }) => ({ name: file.name, window })) }),
  }
}

/** @param leftOut collects files that cannot be read, if the dataset skips them */
async function look(drop: Drop, leftOut: LeftOutFile[]): Promise<ChosenFiles> {
  const { source, dataset, place, command, calendar, signal, log } = drop
  const pattern = parseFilePattern(dataset.files)
  const { marker, windowFrom = 'name', lateForMs = LATE_FOR_MS } = dataset
  const [start, end] = [Date.parse(command.window.start) - lateForMs, Date.parse(command.window.end)]
  const found = await place.list(pattern, {
    signal,
    within: { start, end, timeZone: calendar.timeZone },
    onForbidden:
      dataset.onProblem?.forbidden === 'skip'
        ? (name) => {
            if (!leftOut.some((file) => file.name === name)) leftOut.push({ name, reason: 'forbidden' })
          }
        : undefined,
    onMisnamed:
      dataset.onProblem?.misnamed === 'fail'
        ? undefined
        : ({ file, problem }) => void leftOut.push({ name: file, reason: 'misnamed', problem }),
    onNoFile: (name) =>
      log.warn({ source: source.name, dataset: dataset.name, name }, 'skipped, as it is a pipe, a socket or a device'),
  })
  const data = marker === undefined ? found : found.filter(({ name }) => !isMarker(name, marker))
  const chosen = chooseFiles(data, { pattern, windowFrom, calendar, window: command.window, lateForMs })
  for (const { name, problem } of chosen.impossible) {
    log.warn({ source: command.source, dataset: command.dataset, name }, `file is left out: ${problem}`)
  }
  return chosen
}

/** Late files that no window has landed. */
async function lateOf(
  { command, place, lake, clock, signal, log }: Drop,
  { earlier }: ChosenFiles,
  claims: ProcessedFileLedger | undefined,
): Promise<LateFile[]> {
  const { pipeline, task } = command
  const digest = async (file: FoundFile) => {
    const read = async () => await digestOf(place, file, signal)
    return claims === undefined
      ? await read()
      : await claims.digestOf(place.identityOf(file, clock().getTime()), read, { signal })
  }
  const late = await findLate(earlier, {
    manifestOf: (window) => newestManifest(lake, { pipeline: pipeline.name, label: window, task }, { signal }),
    digestOf: digest,
  })
  const open: LateFile[] = []
  for (const each of late) {
    const held = await claims?.look(await digest(each.file), { signal })
    if (held?.holder === 'elsewhere') continue
    open.push(each)
    log.warn({ task, name: each.file.name, window: each.window }, 'file came after its window had been ingested')
  }
  return open
}

function asWanted({ file, window }: LateFile): WantedFile {
  return { ...file, lateFor: window }
}

/** The files that may be landed; the others are reported or fail the task, as the dataset declares. */
async function withoutFaulty(drop: Drop, files: readonly WantedFile[], leftOut: LeftOutFile[]): Promise<WantedFile[]> {
  const { source, dataset, place, signal, clock } = drop
  const { onProblem = {}, restMs, marker } = dataset
  const unstable = await findUnstable(files, { place, restMs, marker, now: () => clock().getTime(), signal })
  return files.filter((file) => {
    const { name, sizeBytes } = file
    const found = unstable.get(name)
    if (found !== undefined && onProblem.unstable !== 'skip')
      throw fileErrors.FILES_FILE_UNSTABLE(source.name, name, found.expected, found.found)
    const isEmpty = sizeBytes === 0 && found === undefined
    if (isEmpty && onProblem.empty === 'fail') throw fileErrors.FILES_FILE_EMPTY(source.name, name)
    if (found === undefined && !(isEmpty && onProblem.empty === 'skip')) return true
    // A late file that is not complete is late in the next window as well.
    if (file.lateFor === undefined) leftOut.push({ name, reason: found === undefined ? 'empty' : 'unstable' })
    return false
  })
}

type Work = {
  readonly claims: ProcessedFileLedger | undefined
  readonly complete: readonly WantedFile[]
  readonly leftOut: LeftOutFile[]
}

async function landAll(drop: Drop, { claims, complete, leftOut }: Work): Promise<LandedFile[]> {
  const { place, lake, command, dataset, clock, signal, progress } = drop
  const now = () => clock().getTime()
  const landed: LandedFile[] = []
  const seen = new Set<string>()
  let sizeBytes = 0
  const land = async (file: WantedFile) => {
    const fate = await landFile(file, { place, now, lake, command, dataset, claims, signal })
    if (fate.kind === 'landed') progress({ sizeBytes: (sizeBytes += fate.file.sizeBytes) })
    return fate
  }
  const fates: Fate[] = []
  for (const group of inGroups(complete)) {
    fates.push(...(await concurrently(group, group.length < MANY_FILES ? 1 : FILES_AT_ONCE, land)))
  }
  for (const fate of fates) {
    if (fate.kind === 'left-out') leftOut.push(fate.file)
    if (fate.kind !== 'landed') continue
    const { sha256, name } = fate.file
    if (claims !== undefined && seen.has(sha256)) leftOut.push({ name, reason: 'landed-before', sha256 })
    else landed.push(fate.file)
    seen.add(sha256)
  }
  return claims === undefined ? landed : await claimAll(claims, landed, leftOut, signal)
}

/** Bytes up to which opening and closing a file takes longer than copying it. */
const SMALL_BYTES = 1024 * 1024

/** Number of files from which concurrent landing saves enough time to have several open. */
const MANY_FILES = 8

/** Large files are landed one at a time: each saturates the network, and has blocks of its own in memory. */
function inGroups(files: readonly WantedFile[]): WantedFile[][] {
  const groups: WantedFile[][] = []
  let areSmall = false
  for (const file of files) {
    const isSmall = file.sizeBytes <= SMALL_BYTES
    const last = groups.at(-1)
    if (last !== undefined && isSmall && areSmall) last.push(file)
    else groups.push([file])
    areSmall = isSmall
  }
  return groups
}

/** Claims come last, so that bytes are claimed only by a window that is about to commit. Another agent may have been faster. */
async function claimAll(
  claims: ProcessedFileLedger,
  landed: readonly LandedFile[],
  leftOut: LeftOutFile[],
  signal: AbortSignal,
): Promise<LandedFile[]> {
  const own: LandedFile[] = []
  const held = await concurrently(
    landed,
    FILES_AT_ONCE,
    async ({ sha256, name }) => await claims.claim(sha256, name, { signal }),
  )
  for (const [index, file] of landed.entries()) {
    const holder = held[index]
    const fate = holder && fateOfHeld(file, file.sha256, holder)
    if (fate === undefined) own.push(file)
    else if (fate.kind === 'left-out') leftOut.push(fate.file)
  }
  return own
}

/**
 * The files that an earlier generation of this window landed and archived: a re-run of the window includes them. If
 * files are left in place, the folder is authoritative.
 */
async function carriedOver(
  { lake, command, dataset, signal }: Drop,
  landed: readonly LandedFile[],
): Promise<LandedFile[]> {
  const { afterLanding = 'leave' } = dataset
  if (command.generation === 1 || afterLanding === 'leave') return []
  const about = { pipeline: command.pipeline.name, label: command.window.label, task: command.task }
  const before = await newestManifest(lake, about, { signal })
  const names = new Set(landed.map(({ name }) => name))
  return before?.files.filter(({ name }) => !names.has(name)) ?? []
}

/** Whether no file arrived. A file that belongs to every window and existed before does not count as arrived in this one. */
function isNothing(leftOut: readonly LeftOutFile[], { isTimeless }: ChosenFiles): boolean {
  return leftOut.every(({ reason }) => reason === 'landed-before' && isTimeless)
}

/** @throws {FILES_MISSING} transient, unless the dataset allows it */
function reportMissing({ source, dataset, place, command, log }: Drop): void {
  const about = {
    source: source.name,
    dataset: dataset.name,
    folder: place.location,
    files: dataset.files,
    window: command.window.label,
  }
  if (dataset.whenMissing === 'fail') throw fileErrors.FILES_MISSING(about)
  log.info(about, 'no file came for the window, which the dataset allows')
}
