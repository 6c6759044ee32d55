import { HISTORY_DAY_COUNT, type CompanyKey } from './company-size.ts'
import { dayStart, isoDate, isoInstant, windowOfDay } from './company-days.ts'
import { randomOf } from './random.ts'
import { COUNTRIES, GENRES, GIVEN_NAMES, SURNAME_ENDS, SURNAME_STARTS } from './words.ts'

export const PLANS = [
  { code: 'ads', name: 'With ads', monthlyPrice: '4.99', streamCount: 1 },
  { code: 'basic', name: 'Basic', monthlyPrice: '7.99', streamCount: 1 },
  { code: 'standard', name: 'Standard', monthlyPrice: '11.99', streamCount: 2 },
  { code: 'premium', name: 'Premium', monthlyPrice: '16.99', streamCount: 4 },
] as const

export type Plan = (typeof PLANS)[number]

export type User = {
  readonly id: string
  readonly fullName: string
  readonly email: string
  /** UTC instant. */
  readonly signedUpAt: string
  readonly country: string
  /** `yyyy-mm-dd` */
  readonly birthDate: string
  readonly preferredGenres: readonly string[]
  readonly plan: Plan
  readonly updatedAt: string
}

export function userId(index: number): string {
  return `u${String(index + 1).padStart(7, '0')}`
}

/** A user's state at the end of a day. */
export function userOn(company: CompanyKey, index: number, day: number): User {
  const random = randomOf(company.seed, 'user', index)
  const given = random.pick(GIVEN_NAMES)
  const surname = `${random.pick(SURNAME_STARTS)}${random.pick(SURNAME_ENDS)}`
  const signedUpAt = signUpTime(company, index)
  let email = `${given}.${surname}.${index + 1}@mail.example`.toLowerCase()
  let country = random.pick(COUNTRIES)
  let plan = random.int(PLANS.length)
  let updatedAt = signedUpAt
  for (let changed = 1; changed <= day; changed += 1) {
    const change = userChangeOn(company, index, changed)
    if (change === undefined) continue
    updatedAt = Date.parse(windowOfDay(company, changed).start) + change.second * 1_000
    if (change.what === 'plan') plan = (plan + 1 + change.by) % PLANS.length
    else if (change.what === 'email') email = `${given}.${surname}.${index + 1}@post${changed}.example`.toLowerCase()
    else country = COUNTRIES[(COUNTRIES.indexOf(country) + 1 + change.by) % COUNTRIES.length] ?? country
  }
  return {
    id: userId(index),
    fullName: `${given} ${surname}`,
    email,
    signedUpAt: isoInstant(signedUpAt),
    country,
    birthDate: isoDate(Date.parse('1945-01-01') + random.int(22_000) * 86_400_000),
    preferredGenres: preferredGenres(company, index),
    plan: PLANS[plan] ?? PLANS[0],
    updatedAt: isoInstant(updatedAt),
  }
}

type UserChange = {
  readonly what: 'plan' | 'email' | 'country'
  readonly by: number
  /** Seconds after the start of the day. */
  readonly second: number
}

/** A user's changes on a day after the first; about one user in fifty has any. */
export function userChangeOn(company: CompanyKey, index: number, day: number): UserChange | undefined {
  if (day < 1 || signUpDay(company, index) >= day) return undefined
  const random = randomOf(company.seed, 'userChange', index, day)
  const draw = random.real()
  if (draw >= 0.02) return undefined
  const what = draw < 0.01 ? 'plan' : draw < 0.016 ? 'email' : 'country'
  return { what, by: random.int(PLANS.length - 1), second: 3_600 + random.int(18 * 3_600) }
}

/** The genres that a user claims to like, which the user also watches more often than not. */
export function preferredGenres(company: CompanyKey, index: number): string[] {
  const random = randomOf(company.seed, 'userTaste', index)
  const genres = new Set<string>()
  const count = random.int(4)
  while (genres.size < count) genres.add(random.pick(GENRES))
  return [...genres].toSorted()
}

/** The last day on which a user watches: one user in four loses interest within the history and the two weeks after. */
export function lastDayOf(company: CompanyKey, index: number): number {
  const random = randomOf(company.seed, 'userTaste', index, 1)
  return random.chance(0.25) ? random.int(HISTORY_DAY_COUNT + 14) - HISTORY_DAY_COUNT : Number.POSITIVE_INFINITY
}

/** The day on which a user signs up: 0 for all that are there from the start. */
function signUpDay({ size }: CompanyKey, index: number): number {
  return index < size.userCount ? 0 : 1 + Math.floor((index - size.userCount) / size.newUserCount)
}

/** Milliseconds. Users of the first day signed up within the three years before the history of viewings. */
function signUpTime(company: CompanyKey, index: number): number {
  const random = randomOf(company.seed, 'user', index, 1)
  const day = signUpDay(company, index)
  if (day > 0) return Date.parse(windowOfDay(company, day).start) + random.int(20 * 3_600) * 1_000
  return dayStart(company, 1 - HISTORY_DAY_COUNT) - (1 + random.int(3 * 365 * 86_400)) * 1_000
}
