import type { RestDataset, RestSource } from '../config/index.ts'
import type { Fill } from '@cinelake/secrets'
import { withKept } from '../pagination/kept-cursor.ts'
import type { NextContext, PageParts } from '../pagination/pagination.ts'
import { RestKeptElsewhereError } from '../errors.ts'
import type { PageRequest, RequestBody } from './page-request.ts'
import { addressOf, type DatasetAddress, showAddress } from './request-address.ts'
import { fillTimes, isTimeNumber, type RequestTimes } from './request-times.ts'
import { withValueAt } from '../bodies/json-path.ts'
import { isExactNumber, isObject, type JsonValue } from '@cinelake/json-rows'

/** The requests of a dataset, page by page, and their form for people. */
export type DatasetRequest = {
  /** The origin that the pipeline's text names. */
  readonly origin: string
  readonly requestFor: (parts: PageParts) => PageRequest
  readonly show: (url: URL, parts: PageParts) => string
  /** The values of a `range`, with placeholders filled. */
  readonly values: readonly (string | number | boolean)[]
  readonly takeLink: NextContext['takeLink']
  /** An address with the names of secrets for their values. */
  readonly hide: (url: URL) => string
  /** The reverse of `hide`, with the current secrets. */
  readonly reveal: (hidden: string) => URL
  /** An address with the current secrets. */
  readonly current: (url: URL) => URL
  /** Refreshes the secrets of address and body. False if there are none, so that nothing would change. */
  readonly refresh: () => Promise<boolean>
}

/**
 * Fills the placeholders of all parts of a dataset's requests.
 * @throws {REST_ADDRESS_INVALID} terminal
 */
export async function datasetRequest(
  source: RestSource,
  dataset: RestDataset,
  times: RequestTimes,
  fill: Fill,
): Promise<DatasetRequest> {
  const address = await addressOf(source, dataset, times, fill)
  const body = await bodyOf(dataset, times, fill)
  const plain = plainParameters(dataset)
  return {
    origin: address.first.origin,
    requestFor(pageParts) {
      const parts = withKept(dataset.incremental?.cursor, times.cursor, pageParts)
      const url = parts.link === undefined ? new URL(address.first) : revealed(parts.link, address, { source, dataset })
      for (const [name, value] of parts.query) url.searchParams.set(name, value)
      const headers = parts.headers.length === 0 ? undefined : Object.fromEntries(parts.headers)
      return { url, method: dataset.method, headers, body: body === undefined ? undefined : () => body.write(parts) }
    },
    show(url, parts) {
      const counting = parts.query.filter(([, value]) => /^-?\d{1,9}$/.test(value)).map(([name]) => name)
      return showAddress(url, new Set([...plain, ...counting]), address.secrets)
    },
    values: await valuesOf(dataset, times, fill),
    takeLink: (link) => takeLink(link, address.first, address.hide),
    hide: address.hide,
    reveal: address.reveal,
    current: address.current,
    async refresh() {
      const isNew = await Promise.all([address.refresh(), body?.refresh() ?? false])
      return isNew.includes(true)
    },
  }
}

/** @throws {RestKeptElsewhereError} terminal */
function revealed(
  link: string,
  { first, current, reveal }: DatasetAddress,
  { source, dataset }: { readonly source: RestSource; readonly dataset: RestDataset },
): URL {
  const url = URL.canParse(link) ? reveal(link) : undefined
  if (url?.origin === current(first).origin) return url
  throw new RestKeptElsewhereError(source.name, dataset.name, url?.host ?? 'none')
}

function takeLink(told: URL, first: URL, hide: (url: URL) => string): ReturnType<NextContext['takeLink']> {
  const url = new URL(told)
  // Behind a proxy that terminates TLS, servers write links with the scheme that they see themselves.
  if (url.protocol === 'http:' && first.protocol === 'https:') url.protocol = 'https:'
  // The credentials are only for the server that the pipeline names.
  if (url.origin !== first.origin) return { problem: `an address on another server (${url.host})` }
  url.hash = ''
  return { link: hide(url) }
}

/** Parameters whose values are literal in the pipeline's text. */
function plainParameters({ query }: RestDataset): string[] {
  return Object.entries(query)
    .filter(([, template]) => !template.includes('${'))
    .map(([name]) => name)
}

async function valuesOf({ pagination }: RestDataset, times: RequestTimes, fill: Fill) {
  if (pagination.type !== 'range') return []
  return await Promise.all(
    pagination.values.map(async (value) =>
      typeof value === 'string' ? await fill(fillTimes(value, times) ?? '') : value,
    ),
  )
}

/** The body of a dataset's POSTs. */
export type DatasetBody = {
  readonly write: (parts: Pick<PageParts, 'body'>) => RequestBody
  /** Refreshes the secrets. False if there are none, so that nothing would change. */
  readonly refresh: () => Promise<boolean>
}

/** Fills a body's template; undefined if the dataset's requests have none. */
async function bodyOf(
  { body, bodyFormat, method }: Pick<RestDataset, 'body' | 'bodyFormat' | 'method'>,
  times: RequestTimes,
  fill: Fill,
): Promise<DatasetBody | undefined> {
  if (method !== 'POST') return undefined
  const look = async (refresh: boolean) => (await filled(body ?? {}, times, fill, refresh)) ?? {}
  let latest = await look(false)
  return {
    write(parts) {
      const value = parts.body.reduce<JsonValue>((whole, [path, part]) => withValueAt(whole, path, part), latest)
      return bodyFormat === 'form' ? formBody(value) : { contentType: 'application/json', text: JSON.stringify(value) }
    },
    async refresh() {
      if (!JSON.stringify(body ?? {}).includes('${secret:')) return false
      latest = await look(true)
      return true
    },
  }
}

/** Undefined if a text contains `{since}` and there is no value for it yet: the field is omitted. */
async function filled(
  template: JsonValue,
  times: RequestTimes,
  fill: Fill,
  refresh: boolean,
): Promise<JsonValue | undefined> {
  if (typeof template === 'string') {
    const text = fillTimes(template, times)
    if (text === undefined) return undefined
    return isTimeNumber(template) ? Number(text) : await fill(text, { refresh })
  }
  if (Array.isArray(template)) {
    const items = await Promise.all(template.map((item: JsonValue) => filled(item, times, fill, refresh)))
    return items.filter((item) => item !== undefined)
  }
  if (!isObject(template)) return template
  const fields: [string, JsonValue][] = []
  for (const [name, value] of Object.entries(template)) {
    const field = await filled(value, times, fill, refresh)
    if (field !== undefined) fields.push([name, field])
  }
  return Object.fromEntries(fields)
}

function formBody(value: JsonValue): RequestBody {
  const form = new URLSearchParams()
  for (const [name, field] of Object.entries(isObject(value) ? value : {})) form.append(name, fieldText(field))
  return { contentType: 'application/x-www-form-urlencoded', text: form.toString() }
}

function fieldText(field: JsonValue): string {
  if (field === null) return ''
  if (typeof field !== 'object') return String(field)
  return isExactNumber(field) ? field.rawJSON : JSON.stringify(field)
}
