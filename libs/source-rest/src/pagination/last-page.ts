import type { RestEnd } from '../config/index.ts'
import { parseJsonPath, valueAt } from '../bodies/json-path.ts'
import { isExactNumber, type JsonValue } from '@cinelake/json-rows'
import { restErrors, type RequestPlace } from '../errors.ts'
import type { ReadPage } from './read-page.ts'

/** Whether a page is the last: yes, no, or unknown. */
export type Ending = 'last' | 'more' | undefined

export type Counted = {
  /** From 1. */
  readonly number: number
  /** Of this page and all previous ones. */
  readonly recordCount: number
  /** Records requested. */
  readonly size?: number | undefined
}

/**
 * Evaluates all conditions for the last page.
 * @throws {REST_NEXT_PAGE_INVALID} terminal: an invalid count
 */
export function endingOf(end: RestEnd, page: ReadPage, counted: Counted, place: RequestPlace): Ending {
  const { size, number, recordCount } = counted
  if (end.emptyPage && page.recordCount === 0) return 'last'
  if (end.shortPage && size !== undefined && page.recordCount < size) return 'last'
  const total = countAt(end.total, page, place)
  if (total !== undefined && recordCount >= total) return 'last'
  const totalPages = countAt(end.totalPages, page, place)
  if (totalPages !== undefined && number >= totalPages) return 'last'
  return end.when === undefined ? undefined : endingByValue(end.when, page.body)
}

/** A count in the body; undefined if absent. */
export function countAt(path: string | undefined, { body }: ReadPage, place: RequestPlace): number | undefined {
  if (path === undefined) return undefined
  const value = valueAt(body, parseJsonPath(path))
  if (value === undefined || value === null) return undefined
  const count =
    typeof value === 'number' || (typeof value === 'string' && value.trim() !== '') ? Number(value) : Number.NaN
  if (!Number.isInteger(count) || count < 0)
    throw restErrors.REST_NEXT_PAGE_INVALID(place, path, 'something other than a count')
  return count
}

function endingByValue({ path, is }: NonNullable<RestEnd['when']>, body: JsonValue): Ending {
  const value = valueAt(body, parseJsonPath(path))
  if (is === undefined) return isAbsent(value) ? 'last' : 'more'
  if (value === undefined) return undefined
  return textOf(value) === String(is) ? 'last' : 'more'
}

function textOf(value: JsonValue): string {
  if (typeof value !== 'object' || value === null) return String(value)
  return isExactNumber(value) ? value.rawJSON : JSON.stringify(value)
}

/** Values by which servers indicate that there is no next page. */
export function isAbsent(value: JsonValue | undefined): value is null | undefined | false | '' {
  return value === undefined || value === null || value === false || value === ''
}
