import { dateOf, isoInstant, windowOfDay } from './company-days.ts'
import { type CompanyKey, HISTORY_DAY_COUNT, titleCountOn, userCountOn } from './company-size.ts'
import { type Random, randomOf } from './random.ts'
import { titleGenres, titleId, titleRuntime } from './titles.ts'
import { PLANS, type User, lastDayOf, preferredGenres, userChangeOn, userId, userOn } from './users.ts'
import { GENRES } from './words.ts'

/** A row's value as COPY expects it: null for NULL. */
export type Row = readonly (string | number | null)[]

/** Months of payments that the billing system keeps from before its first day. */
const PAYMENT_HISTORY_MONTHS = 6

export function* planRows(): Generator<Row> {
  for (const plan of PLANS) yield [plan.code, plan.name, plan.monthlyPrice, 'EUR', plan.streamCount]
}

/** `[customer_id, user_id, billing_name, billing_email, country, created_at]` of those who sign up on a day. */
export function* customerRows(company: CompanyKey, day: number): Generator<Row> {
  for (const [index, user] of signUps(company, day)) {
    yield [index + 1, user.id, user.fullName, user.email, user.country, user.signedUpAt]
  }
}

/** `[subscription_id, customer_id, plan_code, status, started_on, ended_on]`. A subscription's id is user and day. */
export function* subscriptionRows(company: CompanyKey, day: number): Generator<Row> {
  for (const [index, user] of signUps(company, day)) {
    yield [subscriptionId(index, 0), index + 1, user.plan.code, 'active', user.signedUpAt.slice(0, 10), null]
  }
}

/** The subscriptions that a day's plan changes end and start: `[subscription to end, new row]`. */
export function* planChanges(
  company: CompanyKey,
  day: number,
): Generator<{ readonly customer: number; readonly row: Row }> {
  for (let index = 0; index < userCountOn(company.size, day - 1); index += 1) {
    if (userChangeOn(company, index, day)?.what !== 'plan') continue
    const plan = userOn(company, index, day).plan.code
    yield {
      customer: index + 1,
      row: [subscriptionId(index, day), index + 1, plan, 'active', dateOf(company, day), null],
    }
  }
}

/** `[device_id, customer_id, kind, registered_at]` */
export function* deviceRows(company: CompanyKey, day: number): Generator<Row> {
  for (const [index, user] of signUps(company, day)) {
    const random = randomOf(company.seed, 'device', index)
    for (let number = 1; number <= 3; number += 1) {
      const kind = random.pick(['tv', 'phone', 'tablet', 'browser', 'console'])
      yield [deviceId(user.id, number), index + 1, kind, user.signedUpAt]
    }
  }
}

/**
 * `[payment_id, customer_id, plan_code, amount, currency, status, paid_at]`: one a month, on the customer's day of the
 * month. The first day also brings the earlier months. One in 50 fails, one in 200 is paid back.
 */
export function* paymentRows(company: CompanyKey, day: number): Generator<Row> {
  const today = dateOf(company, day)
  for (let index = 0; index < userCountOn(company.size, day); index += 1) {
    const dayOfMonth = 1 + (index % 28)
    if (day > 0 && Number(today.slice(8)) !== dayOfMonth) continue
    const user = userOn(company, index, day)
    for (let back = day === 0 ? PAYMENT_HISTORY_MONTHS : 0; back >= 0; back -= 1) {
      const date = monthsBefore(today, back, dayOfMonth)
      if (date > today || date < user.signedUpAt.slice(0, 10)) continue
      yield payment(company, index, user, date)
    }
  }
}

/** `[viewing_id, user_id, title_id, device_id, started_at, minutes_watched]`; the first day brings the history as well. */
export function* viewingRows(company: CompanyKey, day: number): Generator<Row> {
  const titles = tasteIndex(company, day)
  for (let past = day === 0 ? FIRST_VIEWING_DAY : day; past <= day; past += 1) {
    for (const viewing of viewingsOn(company, titles, past)) {
      const device = deviceId(viewing.userId, viewing.deviceNumber)
      yield [viewing.id, viewing.userId, viewing.titleId, device, viewing.startedAt, viewing.minutesWatched]
    }
  }
}

function* signUps(company: CompanyKey, day: number): Generator<[number, User]> {
  const first = day === 0 ? 0 : userCountOn(company.size, day - 1)
  for (let index = first; index < userCountOn(company.size, day); index += 1) yield [index, userOn(company, index, day)]
}

function payment(company: CompanyKey, index: number, user: User, date: string): Row {
  const month = Number(date.slice(0, 4)) * 12 + Number(date.slice(5, 7)) - 1
  const random = randomOf(company.seed, 'payment', index, month)
  const draw = random.real()
  const status = draw < 0.02 ? 'failed' : draw < 0.025 ? 'refunded' : 'paid'
  const paidAt = isoInstant(Date.parse(`${date}T06:00:00Z`) + random.int(12 * 3_600) * 1_000)
  return [`${user.id}-${date.slice(0, 7)}`, index + 1, user.plan.code, user.plan.monthlyPrice, 'EUR', status, paidAt]
}

function monthsBefore(today: string, months: number, dayOfMonth: number): string {
  const month = Number(today.slice(0, 4)) * 12 + Number(today.slice(5, 7)) - 1 - months
  const text = `${Math.floor(month / 12)}-${String((month % 12) + 1).padStart(2, '0')}`
  return `${text}-${String(dayOfMonth).padStart(2, '0')}`
}

function subscriptionId(index: number, day: number): string {
  return `${userId(index)}-${String(day).padStart(4, '0')}`
}

function deviceId(user: string, number: number): string {
  return `${user}-${number}`
}

/** A row of `watch_history`. */
type Viewing = {
  readonly id: number
  readonly userId: string
  readonly titleId: string
  readonly deviceNumber: number
  /** UTC instant. */
  readonly startedAt: string
  readonly minutesWatched: string
}

/** The first day of viewings: 1 February 2026 for a company that begins on 1 March. */
const FIRST_VIEWING_DAY = 1 - HISTORY_DAY_COUNT

/**
 * The viewings that start on a day, in order of time and of id. Most people watch in the evening, some people and
 * titles account for most viewings, and people mostly watch genres that they like. About one viewing in 500 is of a
 * title or a user that the other systems do not know (yet); about one in 4,000 has an impossible length.
 */
function* viewingsOn(company: CompanyKey, titles: TasteIndex, day: number): Generator<Viewing> {
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

/** The data that the generator of viewings needs of every title at once: six bytes each. */
type TasteIndex = {
  /** One bit per genre, in the order of the word list. */
  readonly genres: Uint32Array
  readonly runtimeMinutes: Uint16Array
}

function tasteIndex(company: CompanyKey, day: number): TasteIndex {
  const count = titleCountOn(company.size, day)
  const genres = new Uint32Array(count)
  const runtimeMinutes = new Uint16Array(count)
  for (let index = 0; index < count; index += 1) {
    genres[index] = genreBits(titleGenres(company, index))
    runtimeMinutes[index] = titleRuntime(company, index)
  }
  return { genres, runtimeMinutes }
}

/** The genres that a user likes, as bits; 0 for a user without preferences. */
function tasteOf(company: CompanyKey, index: number): number {
  return genreBits(preferredGenres(company, index))
}

function genreBits(genres: readonly string[]): number {
  return genres.reduce((bits, genre) => bits | (1 << GENRES.indexOf(genre)), 0)
}
