import {
  type Calendar,
  type Clock,
  compilePattern,
  parseWindow,
  type Window,
  windowAt,
  type WindowLength,
} from '@cinelake/core'
import { fileErrors } from './errors.ts'
import { parseGlob, pathPattern, type GlobSegment, type TimePart } from './glob.ts'

/** What a file's name says about its window. */
type NameVerdict =
  /** It is not a file of the dataset. */
  | { readonly kind: 'other' }
  /** It has no time in its name: it belongs to every window, with its current content. */
  | { readonly kind: 'timeless' }
  /** The instant (UTC) at which the time in its name begins. */
  | { readonly kind: 'timed'; readonly start: string }
  /** It matches the dataset's pattern, but its time does not exist or contradicts itself. */
  | { readonly kind: 'impossible'; readonly problem: string }

/** @param start, end milliseconds since 1970 */
export type TimeRange = { readonly start: number; readonly end: number; readonly timeZone: string }

/** A compiled `files` pattern of a dataset. */
export type FilePattern = {
  readonly text: string
  readonly segments: readonly GlobSegment[]
  /** The folders that every matching file is in: '' or ending with `/`. */
  readonly prefix: string
  /** Whether matching files can be in this folder, or in one below. @param folder without `/` at its end */
  opens(folder: string): boolean
  takes(name: string): boolean
  /** Every name that a file of these times can have; undefined where wildcards leave that open. */
  namesWithin(times: TimeRange): readonly string[] | undefined
  /** @param name path below the source's folder, with `/` */
  judge(name: string, timeZone: string): NameVerdict
}

/** The combinations of time parts that a pattern may have, largest first, and the duration of such a time. */
const PRECISIONS: readonly { readonly parts: readonly TimePart[]; readonly every: WindowLength }[] = [
  { parts: ['yyyy'], every: 'month' },
  { parts: ['yyyy', 'MM'], every: 'month' },
  { parts: ['yyyy', 'MM', 'dd'], every: 'day' },
  { parts: ['yyyy', 'MM', 'dd', 'HH'], every: 'hour' },
]

/**
 * Compiles a `files` text: a glob in which `{yyyy}`, `{MM}`, `{dd}` and `{HH}` stand for business time.
 * @throws {FILES_PATTERN_INVALID} terminal
 */
export function parseFilePattern(text: string): FilePattern {
  const segments = parseGlob(text)
  const parts = segments.flatMap((segment) => (segment === 'any-depth' ? [] : segment.parts))
  const whole = compilePattern(pathPattern(segments))
  const precision = PRECISIONS.find(
    (known) => known.parts.length === new Set(parts).size && known.parts.every((part) => parts.includes(part)),
  )
  if (parts.length > 0 && precision === undefined) {
    throw fileErrors.FILES_PATTERN_INVALID(
      text,
      `expected a time from the year on ({yyyy}, {yyyy}{MM}, {yyyy}{MM}{dd} or {yyyy}{MM}{dd}{HH}), got only ${parts.map((part) => `{${part}}`).join('')}`,
    )
  }
  return {
    text,
    segments,
    prefix: prefixOf(text),
    opens: (folder) => isOnTheWay(segments, folder.split('/')),
    takes: (name) => whole.match(name) !== undefined,
    namesWithin: ({ start, end, timeZone }) =>
      isOpen(text) ? undefined : namesOf(text, precision && { every: precision.every, timeZone }, { start, end }),
    judge(name, timeZone) {
      const found = whole.match(name)
      if (found === undefined) return { kind: 'other' }
      if (precision === undefined) return { kind: 'timeless' }
      return timeOf(found, parts, { every: precision.every, timeZone })
    },
  }
}

/** Milliseconds before now in which a preview looks for files whose names are asked for. */
const RECENT_MS = 31 * 86_400_000

/** The last month, to look at what there is. */
export function recently(clock: Clock, timeZone: string): TimeRange {
  const end = clock().getTime()
  return { start: end - RECENT_MS, end, timeZone }
}

/** The folders at the beginning of a pattern whose names are written out. */
function prefixOf(text: string): string {
  const folders = text.split('/').slice(0, -1)
  const first = folders.findIndex((folder) => /[*?[\]{}]/.test(folder))
  return (first === -1 ? folders : folders.slice(0, first)).map((folder) => `${folder}/`).join('')
}

/** Whether a pattern has wildcards. */
export function isOpen(text: string): boolean {
  return /[*?[]/.test(text)
}

/** @param calendar of the times in the name; undefined: there are none */
function namesOf(
  text: string,
  calendar: Calendar | undefined,
  { start, end }: { readonly start: number; readonly end: number },
): string[] {
  if (calendar === undefined) return alternativesOf(text)
  const names = new Set<string>()
  for (let at = start; at < end;) {
    const window = windowAt(calendar, new Date(at))
    const [yyyy = '', MM = '', dd = '', HH = ''] = window.label.match(/\d+/g) ?? []
    const parts = { yyyy, MM, dd, HH }
    const named = text.replaceAll(/\{(yyyy|MM|dd|HH)\}/g, (_, part: TimePart) => parts[part])
    for (const name of alternativesOf(named)) names.add(name)
    at = Date.parse(window.end)
  }
  return [...names]
}

/** `{a,b}` stands for one name each. */
function alternativesOf(text: string): string[] {
  const [whole, inside] = /\{([^{}]*,[^{}]*)\}/.exec(text) ?? []
  if (whole === undefined || inside === undefined) return [text]
  return inside.split(',').flatMap((each) => alternativesOf(text.replace(whole, () => each)))
}

/** Whether the first segments take all of these folders, so that others are left for what is in them. */
function isOnTheWay(segments: readonly GlobSegment[], folders: readonly string[]): boolean {
  let reached = new Set([0])
  for (const folder of folders) {
    const next = new Set<number>()
    for (const at of withSkipped(reached, segments)) {
      const segment = segments[at]
      if (segment === 'any-depth' && !folder.startsWith('.')) next.add(at)
      else if (segment !== undefined && segment !== 'any-depth' && segment.takes(folder)) next.add(at + 1)
    }
    reached = next
  }
  return [...reached].some((at) => at < segments.length)
}

/** `**` may stand for no folder. */
function withSkipped(reached: ReadonlySet<number>, segments: readonly GlobSegment[]): Set<number> {
  const all = new Set(reached)
  for (const at of all) if (segments[at] === 'any-depth') all.add(at + 1)
  return all
}

/** Whether a file with this result belongs to the window. */
export function belongsTo(verdict: NameVerdict, window: Pick<Window, 'start' | 'end'>): boolean {
  if (verdict.kind === 'timeless') return true
  if (verdict.kind !== 'timed') return false
  const start = Date.parse(verdict.start)
  return Date.parse(window.start) <= start && start < Date.parse(window.end)
}

function timeOf(
  digits: readonly (string | undefined)[],
  parts: readonly TimePart[],
  { every, timeZone }: { every: WindowLength; timeZone: string },
): NameVerdict {
  const found = new Map<TimePart, string>()
  for (const [index, part] of parts.entries()) {
    const value = digits[index] ?? ''
    const before = found.get(part)
    if (before !== undefined && before !== value) {
      return { kind: 'impossible', problem: `its name says ${before} and ${value} for {${part}}` }
    }
    found.set(part, value)
  }
  const date = `${found.get('yyyy')}-${found.get('MM') ?? '01'}`
  const label = every === 'month' ? date : `${date}-${found.get('dd')}${every === 'hour' ? `T${found.get('HH')}` : ''}`
  const window = parseWindow({ every, timeZone }, label)
  if (window === undefined) return { kind: 'impossible', problem: `there is no ${every} ${label}` }
  return { kind: 'timed', start: window.start }
}
