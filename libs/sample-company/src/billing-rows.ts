import { dateOf, isoInstant } from './company-days.ts'
import { userCountOn, type CompanyKey } from './company-size.ts'
import { randomOf } from './random.ts'
import { tasteIndex } from './taste-index.ts'
import { PLANS, userChangeOn, userId, userOn, type User } from './users.ts'
import { FIRST_VIEWING_DAY, viewingsOn } from './viewings.ts'

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
