import { isoInstant, windowOfDay } from './company-days.ts'
import { HISTORY_DAY_COUNT, titleCountOn, userCountOn, type CompanyKey } from './company-size.ts'
import { randomOf, type Random } from './random.ts'
import { tasteOf, type TasteIndex } from './taste-index.ts'
import { titleId } from './titles.ts'
import { lastDayOf, userId } from './users.ts'

/** A row of `watch_history`. */
export type Viewing = {
  readonly id: number
  readonly userId: string
  readonly titleId: string
  readonly deviceNumber: number
  /** UTC instant. */
  readonly startedAt: string
  readonly minutesWatched: string
}

/** The first day of viewings: 1 February 2026 for a company that begins on 1 March. */
export const FIRST_VIEWING_DAY = 1 - HISTORY_DAY_COUNT

/**
 * The viewings that start on a day, in order of time and of id. Most people watch in the evening, some people and
 * titles account for most viewings, and people mostly watch genres that they like. About one viewing in 500 is of a
 * title or a user that the other systems do not know (yet); about one in 4,000 has an impossible length.
 */
export function* viewingsOn(company: CompanyKey, titles: TasteIndex, day: number): Generator<Viewing> {
  const perDay = company.size.viewingCountPerDay
  const window = windowOfDay(company, day)
  const start = Date.parse(window.start)
  const lengthMs = Date.parse(window.end) - start
  for (let place = 0; place < perDay; place += 1) {
    const id = (day - FIRST_VIEWING_DAY) * perDay + place + 1
    const random = randomOf(company.seed, 'viewing', id)
    const share = evening((place + random.real()) / perDay)
    yield {
      id,
      startedAt: isoInstant(start + Math.floor(share * lengthMs)),
      ...whoAndWhat(company, titles, day, random),
    }
  }
}

function whoAndWhat(company: CompanyKey, titles: TasteIndex, day: number, random: Random) {
  const user = chooseUser(random, company, day)
  const title = chooseTitle(random, titles, company, day, tasteOf(company, user))
  const share = random.chance(0.55) ? 0.9 + random.real() * 0.1 : random.real() ** 1.5 * 0.9
  const minutes = Math.max(1, (titles.runtimeMinutes[title] ?? 45) * share)
  return {
    userId: strayUser(random, company, day) ?? userId(user),
    titleId: strayTitle(random, company, day) ?? titleId(title),
    deviceNumber: 1 + random.int(3),
    minutesWatched: odd(random) ?? minutes.toFixed(1),
  }
}

/** Up to four tries for a user who has not stopped watching. */
function chooseUser(random: Random, company: CompanyKey, day: number): number {
  const count = userCountOn(company.size, day)
  let user = 0
  for (let tries = 0; tries < 4; tries += 1) {
    user = scatter(Math.floor(random.real() ** 1.25 * count), company.size.userCount)
    if (day <= lastDayOf(company, user)) break
  }
  return user
}

/** Up to six tries for a title that the user likes, among titles of which the first are watched most. */
function chooseTitle(random: Random, titles: TasteIndex, { size }: CompanyKey, day: number, taste: number): number {
  const count = titleCountOn(size, day)
  let title = 0
  for (let tries = 0; tries < 6; tries += 1) {
    title = scatter(Math.floor(random.real() ** 1.9 * count), size.titleCount)
    if (taste === 0 || ((titles.genres[title] ?? 0) & taste) !== 0 || random.chance(0.15)) break
  }
  return title
}

/** A user who signs up the next day, whose account another system made first; or a user that no other system knows. */
function strayUser(random: Random, { size }: CompanyKey, day: number): string | undefined {
  const draw = random.real()
  if (draw < 0.0005) return userId(8_999_999 - random.int(100))
  return draw < 0.001 && day >= 0 ? userId(userCountOn(size, day) + random.int(size.newUserCount)) : undefined
}

/** A title that the catalogue gets the next day (it goes online in the evening), or one that it never gets. */
function strayTitle(random: Random, { size }: CompanyKey, day: number): string | undefined {
  const draw = random.real()
  if (draw < 0.0005) return titleId(8_999_999 - random.int(100))
  return draw < 0.0015 && day >= 0 ? titleId(titleCountOn(size, day) + random.int(size.newTitleCount)) : undefined
}

/** A player with a wrong clock. */
function odd(random: Random): string | undefined {
  const draw = random.real()
  if (draw < 0.000_15) return '-1.0'
  return draw < 0.000_25 ? '9999.0' : undefined
}

/** Moves times that are spread evenly over a day so that they cluster around half past eight; keeps their order. */
function evening(place: number): number {
  return place - (Math.sin(2 * Math.PI * (place - 0.75)) - 1) / 9
}

/**
 * A permutation of `0 … count - 1`, so that the busy users are not the first ones; later newcomers stay in their place.
 */
function scatter(place: number, count: number): number {
  if (place >= count) return place
  return (place * (count % 7_919 === 0 ? 7_927 : 7_919)) % count
}
