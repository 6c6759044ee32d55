import type { TaskContext } from '@cinelake/bus'
import type { Ingest, LandedFile, LeftOutFile } from '@cinelake/contracts'
import type { Calendar, Clock, Log } from '@cinelake/core'
import type { Lake, Landed } from '@cinelake/lake'
import type { FilesDataset, FilesSource } from '@cinelake/pipeline'
import type { Fill } from '@cinelake/secrets'
import { realpath } from 'node:fs/promises'
import { resolve } from 'node:path'
import { chooseFiles, type ChosenFiles } from './choose-files.ts'
import { createClaims, newestManifest, type Claims } from './claims.ts'
import { FileEmptyError, FilesMissingError, FileUnstableError } from './errors.ts'
import { parseFilePattern } from './file-pattern.ts'
import { findFiles, type FoundFile } from './find-files.ts'
import { findUnstable } from './find-unstable.ts'
import { digestOfFile, fateOfHeld, landFile, type WantedFile } from './land-file.ts'
import { findLate, type LateFile } from './late-files.ts'
import { archiveFolder, isMarker } from './local-paths.ts'

/** Milliseconds before a window in which late files are looked for, unless the dataset says otherwise. */
const LATE_FOR_MS = 7 * 86_400_000

type Deps = { readonly lake: Lake; readonly fill: Fill; readonly clock: Clock; readonly log: Log }

/** A dataset of a files source, and the calendar of its pipeline. */
export type FilesPlace = {
  readonly source: FilesSource
  readonly dataset: FilesDataset
  readonly calendar: Calendar
}

type Drop = FilesPlace & Deps & TaskContext & { readonly command: Ingest; readonly folder: string }

/** Copies the files of one window into raw, byte for byte. */
export function createIngestFileDrop(deps: Deps) {
  return async (command: Ingest, place: FilesPlace, context: TaskContext): Promise<Landed> => {
    const folder = await deps.fill(place.source.path)
    const drop: Drop = { ...deps, ...place, ...context, command, folder }
    const forbidden = new Set<string>()
    const chosen = await look(drop, forbidden)
    const claims = place.dataset.once === true ? createClaims(deps.lake, command) : undefined
    const late = await lateOf(drop, chosen, claims)
    const leftOut: LeftOutFile[] = [...forbidden].map((name) => ({ name, reason: 'forbidden' }))
    const included = place.dataset.late === 'include' ? late : []
    const complete = await withoutFaulty(drop, [...chosen.wanted, ...included.map(asWanted)], leftOut)
    const landed = await landAll(drop, { claims, complete, leftOut })
    const carried = await carriedOver(drop, landed)
    if (carried.length + landed.length === 0 && isNothing(leftOut, chosen)) reportMissing(drop)
    const waiting = place.dataset.late === 'include' ? [] : late
    return {
      format: 'csv',
      files: [...carried, ...landed],
      ...(leftOut.length === 0 ? {} : { leftOut }),
      ...(waiting.length === 0 ? {} : { late: waiting.map(({ file, window }) => ({ name: file.name, window })) }),
    }
  }
}

async function look(drop: Drop, forbidden: Set<string>): Promise<ChosenFiles> {
  const { source, dataset, folder, command, calendar, signal, log } = drop
  const pattern = parseFilePattern(dataset.files)
  const found = await findFiles({ source: source.name, folder }, pattern, {
    signal,
    except: await archiveOf(drop),
    onForbidden: dataset.onProblem?.forbidden === 'skip' ? (name) => void forbidden.add(name) : undefined,
  })
  const { marker, windowFrom = 'name', lateForMs = LATE_FOR_MS } = dataset
  const data = marker === undefined ? found : found.filter(({ name }) => !isMarker(name, marker))
  const chosen = chooseFiles(data, { pattern, windowFrom, calendar, window: command.window, lateForMs })
  for (const { name, problem } of chosen.impossible) {
    log.warn({ source: command.source, dataset: command.dataset, name }, `file is left out: ${problem}`)
  }
  return chosen
}

async function archiveOf({ dataset, fill, folder }: Drop): Promise<string | undefined> {
  const { afterLanding } = dataset
  if (typeof afterLanding !== 'object') return undefined
  const archive = archiveFolder(folder, await fill(afterLanding.archive))
  // Before the first file has landed there is no such folder, and nothing in it.
  return await realpath(archive).catch(() => archive)
}

/** Those that came late and that nobody has landed. */
async function lateOf(
  { command, lake, signal, log }: Drop,
  { earlier }: ChosenFiles,
  claims: Claims | undefined,
): Promise<LateFile[]> {
  const { pipeline, task, source } = command
  const digestOf = (file: FoundFile) => digestOfFile(file, { source, signal })
  const late = await findLate(earlier, {
    manifestOf: (window) => newestManifest(lake, { pipeline: pipeline.name, window, task }, { signal }),
    digestOf,
  })
  const open: LateFile[] = []
  for (const each of late) {
    const held = await claims?.look(await digestOf(each.file), { signal })
    if (held?.holder === 'elsewhere') continue
    open.push(each)
    log.warn({ task, name: each.file.name, window: each.window }, 'file came after its window had been ingested')
  }
  return open
}

function asWanted({ file, window }: LateFile): WantedFile {
  return { ...file, lateFor: window }
}

/** Those that may be landed; the others are noted, or fail the task, as the dataset says. */
async function withoutFaulty(drop: Drop, files: readonly WantedFile[], leftOut: LeftOutFile[]): Promise<WantedFile[]> {
  const { source, dataset, folder, signal, clock } = drop
  const { onProblem = {}, restMs, marker } = dataset
  const unstable = await findUnstable(files, { folder, restMs, marker, now: () => clock().getTime(), signal })
  return files.filter((file) => {
    const { name, sizeBytes } = file
    const found = unstable.get(name)
    if (found !== undefined && onProblem.unstable !== 'skip')
      throw new FileUnstableError(source.name, name, found.expected, found.found)
    const isEmpty = sizeBytes === 0 && found === undefined
    if (isEmpty && onProblem.empty === 'fail') throw new FileEmptyError(source.name, name)
    if (found === undefined && !(isEmpty && onProblem.empty === 'skip')) return true
    // A late file that is not complete is late the next time as well.
    if (file.lateFor === undefined) leftOut.push({ name, reason: found === undefined ? 'empty' : 'unstable' })
    return false
  })
}

type Work = {
  readonly claims: Claims | undefined
  readonly complete: readonly WantedFile[]
  readonly leftOut: LeftOutFile[]
}

async function landAll(drop: Drop, { claims, complete, leftOut }: Work): Promise<LandedFile[]> {
  const { lake, command, dataset, signal, progress } = drop
  const landed: LandedFile[] = []
  const seen = new Set<string>()
  let sizeBytes = 0
  for (const file of complete) {
    const fate = await landFile(file, { lake, command, dataset, claims, signal })
    if (fate.kind === 'left-out') leftOut.push(fate.file)
    if (fate.kind !== 'landed') continue
    const { sha256, name } = fate.file
    if (claims !== undefined && seen.has(sha256)) leftOut.push({ name, reason: 'landed-before', sha256 })
    else landed.push(fate.file)
    seen.add(sha256)
    sizeBytes += fate.file.sizeBytes
    progress({ sizeBytes })
  }
  return claims === undefined ? landed : await claimAll(claims, landed, leftOut, signal)
}

/** Last, so that bytes are claimed by a window that is as good as landed. Another may have been faster. */
async function claimAll(
  claims: Claims,
  landed: readonly LandedFile[],
  leftOut: LeftOutFile[],
  signal: AbortSignal,
): Promise<LandedFile[]> {
  const own: LandedFile[] = []
  for (const file of landed) {
    const fate = fateOfHeld(file, file.sha256, await claims.claim(file.sha256, file.name, { signal }))
    if (fate === undefined) own.push(file)
    else if (fate.kind === 'left-out') leftOut.push(fate.file)
  }
  return own
}

/**
 * What an earlier generation of this window landed and moved away: a window that is run again has it as well. Where
 * files are left in place, the folder says what there is.
 */
async function carriedOver(
  { lake, command, dataset, signal }: Drop,
  landed: readonly LandedFile[],
): Promise<LandedFile[]> {
  const { afterLanding = 'leave' } = dataset
  if (command.generation === 1 || afterLanding === 'leave') return []
  const about = { pipeline: command.pipeline.name, window: command.window.label, task: command.task }
  const before = await newestManifest(lake, about, { signal })
  const names = new Set(landed.map(({ name }) => name))
  return before?.files.filter(({ name }) => !names.has(name)) ?? []
}

/** Whether no file came. One that was there before and belongs to every window has not come for this one. */
function isNothing(leftOut: readonly LeftOutFile[], { isTimeless }: ChosenFiles): boolean {
  return leftOut.every(({ reason }) => reason === 'landed-before' && isTimeless)
}

/** @throws {FilesMissingError} transient, unless the dataset allows it */
function reportMissing({ source, dataset, folder, command, log }: Drop): void {
  const about = {
    source: source.name,
    dataset: dataset.name,
    folder: resolve(folder),
    files: dataset.files,
    window: command.window.label,
  }
  if (dataset.whenMissing === 'fail') throw new FilesMissingError(about)
  log.info(about, 'no file came for the window, which the dataset allows')
}
