import type { Clock, Log } from '@cinelake/core'
import type { Lake } from '@cinelake/lake'
import { readHead, type PageHead } from './page-object.ts'

/** Milliseconds. A table of which one half is a day older than the other never existed at the API. */
const MAX_AGE_MS = 24 * 3_600_000

export type LandingPlace = {
  readonly lake: Lake
  /** `raw/_landing/<pipeline>/<window>/<task>` */
  readonly folder: string
  /** Identifies the requests that the pages belong to: pages of other requests are not continued. */
  readonly of: string
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
}

/** An object with pages that can be continued. */
export type PageObject = { readonly path: string; readonly head: PageHead }

/** Lake path of the object, by its first page. `m`: several objects merged into one. */
export function pagePath(folder: string, kind: 'p' | 'm', first: number): string {
  return `${folder}/${kind}-${String(first).padStart(8, '0')}`
}

/**
 * The pages that a previous attempt landed, in order: those that are intact, of the same task, and
 * consecutive. All other objects are removed.
 */
export async function landedPages(place: LandingPlace): Promise<PageObject[]> {
  const { lake, folder, signal, log } = place
  const paths: string[] = []
  for await (const { path } of lake.list(folder, { signal })) paths.push(path)
  const pages = await chain(new Set(paths), place)
  const used = new Set(pages.map(({ path }) => path))
  for (const path of paths) if (!used.has(path)) await lake.delete(path, { signal })
  const last = pages.at(-1)?.head
  if (last !== undefined) log.info({ pageCount: last.last, rowCount: last.state.rowCount }, 'reading resumes')
  else if (paths.length > 0) log.info({ folder }, 'what was read before is unusable and is read again')
  return pages
}

/** Whether the first of the pages exists. */
export async function isBegun({ lake, folder, of, signal }: LandingPlace): Promise<boolean> {
  const first = await firstValid(['m', 'p'] as const, async (kind) => {
    const head = await readHead(lake, pagePath(folder, kind, 1), signal)
    return head?.of === of ? head : undefined
  })
  return first !== undefined
}

async function chain(paths: ReadonlySet<string>, { lake, folder, of, clock, signal }: LandingPlace) {
  const pages: PageObject[] = []
  let link = ''
  for (let next = 1; ;) {
    const found = await firstValid(['m', 'p'] as const, async (kind) => {
      const path = pagePath(folder, kind, next)
      const head = paths.has(path) ? await readHead(lake, path, signal) : undefined
      return head?.of === of && head.first === next && head.after === link ? { path, head } : undefined
    })
    if (found === undefined) break
    pages.push(found)
    link = found.head.link
    next = found.head.last + 1
  }
  const at = pages.at(-1)?.head.at
  return at !== undefined && clock().getTime() - Date.parse(at) <= MAX_AGE_MS ? pages : []
}

async function firstValid<Kind, Found>(
  kinds: readonly Kind[],
  look: (kind: Kind) => Promise<Found | undefined>,
): Promise<Found | undefined> {
  for (const kind of kinds) {
    const found = await look(kind)
    if (found !== undefined) return found
  }
  return undefined
}

/** Removes the intermediate pages. Best effort: remaining ones do no harm. */
export async function removeLanding(
  { lake, folder, log }: Pick<LandingPlace, 'lake' | 'folder' | 'log'>,
  signal: AbortSignal,
): Promise<void> {
  try {
    for await (const { path } of lake.list(folder, { signal })) await lake.delete(path, { signal })
  } catch (error) {
    log.warn({ folder, err: error }, 'pages that are not needed any more could not be removed')
  }
}
