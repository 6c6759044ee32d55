import { HISTORY_DAY_COUNT, type CompanyKey } from './company-size.ts'
import { dayStart, isoDate, isoInstant, windowOfDay } from './company-days.ts'
import { randomOf, type Random } from './random.ts'
import {
  COUNTRIES,
  GENRES,
  LANGUAGES,
  SYNOPSIS_OBJECTS,
  SYNOPSIS_SUBJECTS,
  SYNOPSIS_VERBS,
  TITLE_ADJECTIVES,
  TITLE_NOUNS,
  TITLE_PLACES,
} from './words.ts'

export type Title = {
  readonly id: string
  readonly name: string
  readonly type: 'MOVIE' | 'SHOW'
  readonly genres: readonly string[]
  readonly runtimeMinutes: number
  /** `yyyy-mm-dd` */
  readonly releasedOn: string
  readonly addedOn: string
  /** Tenths, 10 to 98: whole numbers do not round. */
  readonly scoreTenths: number
  readonly voteCount: number
  readonly viewCount: number
  readonly language: string
  readonly country: string
  readonly synopsis: string
  /** UTC instant. */
  readonly updatedAt: string
}

const SCORE_MEAN_TENTHS = 65
const SCORE_DEVIATION_TENTHS = 11

export function titleId(index: number): string {
  return `tt${String(index + 1).padStart(7, '0')}`
}

/** A title's state at the end of a day. */
export function titleOn(company: CompanyKey, index: number, day: number): Title {
  const random = randomOf(company.seed, 'title', index)
  const text = randomOf(company.seed, 'titleText', index)
  const born = bornOn(company, index)
  const addedAt =
    born > 0 ? dayStart(company, born) : dayStart(company, -HISTORY_DAY_COUNT) - random.int(3_650) * 86_400_000
  const traits = {
    id: titleId(index),
    name: titleName(text),
    type: isMovie(company, index) ? ('MOVIE' as const) : ('SHOW' as const),
    genres: titleGenres(company, index),
    runtimeMinutes: titleRuntime(company, index),
    releasedOn: isoDate(addedAt - Math.floor(random.real() ** 2 * 18_000) * 86_400_000),
    addedOn: isoDate(addedAt),
    language: random.pick(LANGUAGES),
    country: random.pick(COUNTRIES),
    synopsis: `${text.pick(SYNOPSIS_SUBJECTS)} ${text.pick(SYNOPSIS_VERBS)} ${text.pick(SYNOPSIS_OBJECTS)}.`,
  }
  return { ...traits, ...reception(company, index, born, day, random) }
}

/** Whether the catalogue has a change of a title on a day after the first. */
export function titleChangesOn(company: CompanyKey, index: number, day: number): boolean {
  return day > 0 && bornOn(company, index) < day && randomOf(company.seed, 'titleChange', index, day).chance(0.05)
}

function isMovie(company: CompanyKey, index: number): boolean {
  return randomOf(company.seed, 'titleGenres', index, 1).chance(0.7)
}

/** One to three genres, the first ones of the list more often than the last ones. */
export function titleGenres(company: CompanyKey, index: number): string[] {
  const random = randomOf(company.seed, 'titleGenres', index)
  const genres = new Set<string>()
  const count = 1 + random.int(3)
  while (genres.size < count) genres.add(GENRES[Math.floor(random.real() ** 1.3 * GENRES.length)] ?? GENRES[0])
  return [...genres].toSorted()
}

export function titleRuntime(company: CompanyKey, index: number): number {
  const random = randomOf(company.seed, 'titleGenres', index, 2)
  return isMovie(company, index) ? 75 + random.int(90) : 20 + random.int(45)
}

/** The day on which a title first appears: 0 for all that are there from the start. */
function bornOn({ size }: CompanyKey, index: number): number {
  return index < size.titleCount ? 0 : 1 + Math.floor((index - size.titleCount) / size.newTitleCount)
}

function reception(company: CompanyKey, index: number, born: number, day: number, random: Random) {
  let scoreTenths = Math.round(SCORE_MEAN_TENTHS + SCORE_DEVIATION_TENTHS * random.normal())
  let voteCount = Math.round(Math.exp(8.5 + 1.8 * random.normal()))
  let viewCount = voteCount * (3 + random.int(20))
  let updatedAt = Date.parse(windowOfDay(company, born).start) + random.int(3 * 3_600) * 1_000
  for (let changed = 1; changed <= day; changed += 1) {
    if (!titleChangesOn(company, index, changed)) continue
    const change = randomOf(company.seed, 'titleChange', index, changed)
    scoreTenths += change.int(7) - 3
    voteCount += Math.ceil(voteCount * change.real() * 0.05)
    viewCount += Math.ceil(viewCount * change.real() * 0.05)
    updatedAt = Date.parse(windowOfDay(company, changed).start) + change.int(3 * 3_600) * 1_000
  }
  return {
    scoreTenths: Math.min(98, Math.max(10, scoreTenths)),
    voteCount,
    viewCount,
    updatedAt: isoInstant(updatedAt),
  }
}

function titleName(text: Random): string {
  const adjective = text.pick(TITLE_ADJECTIVES)
  const noun = text.pick(TITLE_NOUNS)
  const place = text.pick(TITLE_PLACES)
  const names: readonly [string, ...string[]] = [
    `The ${adjective} ${noun}`,
    `${noun} of ${place}`,
    `${adjective} ${noun}, ${adjective} ${place}`,
    `The “${noun}” Affair`,
    `${place}: The ${noun}`,
    `${adjective} "${noun}"`,
  ]
  return text.pick(names)
}
