import type { RestDataset } from '../config/index.ts'
import { restErrors, type RequestPlace } from '../errors.ts'
import { selectIn, singleBeginning, singlePath, valueAt } from './json-path.ts'
import {
  BrokenRecord,
  isObject,
  type JsonArray,
  type JsonObject,
  type JsonValue,
  type Records,
} from '@cinelake/json-rows'
import type { Body, BrokenLine } from './read-body.ts'
import { elementsAt } from './xml-elements.ts'

/**
 * The records of a body.
 * @throws {REST_RECORDS_MISSING} terminal: the declared place does not contain records
 * @throws {REST_RECORD_INVALID} terminal: none of them is an object
 */
export function recordsIn(body: Body, dataset: RestDataset, place: RequestPlace): Records {
  if (body.scanned !== undefined) return body.scanned
  const { records: path, recordKey, pagination } = dataset
  const elements = body.format === 'xml' ? elementsAt(body.value, path) : undefined
  const found = elements === undefined ? selectIn(body.value, path) : elements
  // Some servers write an empty list as null; 204 has no body at all.
  if (body.value === null || found === null) return []
  if (isPlaceMissing(body, path)) throw missing(body, dataset, place, undefined)
  // In XML an empty list has no elements.
  if (found === undefined && body.format === 'xml') return []
  if (recordKey !== undefined && isObject(found)) return keyed(found, recordKey, place)
  if (isObject(found) && (pagination.type === 'none' || body.format === 'xml')) return [found]
  if (!Array.isArray(found)) throw missing(body, dataset, place, found)
  const items = found as JsonArray
  // Where no item is an object, the path leads to another list.
  const records = items.some(isObject) ? items.map(itemOf) : items.map((item) => objectOf(item, 1, place))
  return withBroken(records, body.format === 'json' || found === body.value, body.broken ?? [])
}

/**
 * Whether a body is another than the path was written for: an XML document with another root; a path to many places that begins
 * where nothing is, so that it finds none of them.
 */
function isPlaceMissing({ value, format }: Body, path: string): boolean {
  const beginning = singleBeginning(path)
  if (format === 'xml') return valueAt(value, beginning.slice(0, 1)) === undefined
  return singlePath(path) === undefined && valueAt(value, beginning) === undefined
}

function missing({ value }: Body, { records: path }: RestDataset, place: RequestPlace, found: JsonValue | undefined) {
  const names = isObject(value) ? Object.keys(value).slice(0, 10) : []
  return restErrors.REST_RECORDS_MISSING(place, path, jsonKindOf(found), names)
}

/** Broken lines where they were, if the records are the lines; else after the records. */
function withBroken(items: readonly Item[], areLines: boolean, broken: readonly BrokenLine[]): readonly Item[] {
  if (broken.length === 0) return items
  const pieces: (readonly Item[])[] = []
  let taken = 0
  for (const { before, record } of broken) {
    const end = areLines ? before : items.length
    pieces.push(items.slice(taken, end), [record])
    taken = end
  }
  return [...pieces, items.slice(taken)].flat()
}

type Item = JsonObject | BrokenRecord

/** Whether a body has records, an empty list of them, null in their place, or nothing. */
export function presenceOf(
  { scanned, value, format, names }: Body,
  { records: path }: RestDataset,
): { readonly isNull: boolean; readonly hasList: boolean } {
  if (scanned !== undefined) return { isNull: false, hasList: true }
  // A list of CSV begins with a header.
  if (format === 'csv' && names === undefined) return { isNull: false, hasList: false }
  const single = singlePath(path)
  // A path to several places finds a list, be it an empty one.
  if (single === undefined) return { isNull: false, hasList: value !== null }
  const found = valueAt(value, single)
  return { isNull: found === null, hasList: found !== null && (found !== undefined || format === 'xml') }
}

/** An object whose values are the records: each gets its key as a column. */
function keyed(found: JsonObject, recordKey: string, place: RequestPlace): JsonObject[] {
  return Object.entries(found).map(([name, value], index) => {
    const record = objectOf(value, index + 1, place)
    if (Object.hasOwn(record, recordKey)) {
      throw restErrors.REST_RECORD_INVALID(
        place,
        index + 1,
        `expected no field ${recordKey} in it, which \`recordKey\` names, got one`,
      )
    }
    return Object.fromEntries([[recordKey, name], ...Object.entries(record)])
  })
}

/** One item among others that is no object is a broken record. */
function itemOf(item: JsonValue): Item {
  return isObject(item) ? item : new BrokenRecord([JSON.stringify(item)], `an item that is ${jsonKindOf(item)}`)
}

function objectOf(record: JsonValue, position: number, place: RequestPlace): JsonObject {
  if (isObject(record)) return record
  throw restErrors.REST_RECORD_INVALID(place, position, `expected an object, got ${jsonKindOf(record)}`)
}

function jsonKindOf(value: JsonValue | undefined): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (isObject(value)) return 'an object'
  return typeof value === 'string' ? 'a text' : typeof value === 'boolean' ? 'true or false' : 'a number'
}
