import type { RestDataset, RestSource } from '../config/index.ts'
import type { Fill } from '@cinelake/secrets'
import { restErrors } from '../errors.ts'
import { fillTimes, type RequestTimes } from './request-times.ts'

/** The address of a dataset without pagination, and the secrets in it. */
export type DatasetAddress = {
  readonly first: URL
  /** Every secret that was filled in, in its encoded form. */
  readonly secrets: readonly string[]
  /** The address of a page, made from `first` or given by the server, with the current secrets. */
  readonly current: (url: URL) => URL
  /** Replaces secrets by their names, for storage; and back. */
  readonly hide: (url: URL) => string
  readonly reveal: (hidden: string) => URL
  /** Refreshes the secrets. False if there are none, so that nothing would change. */
  readonly refresh: () => Promise<boolean>
}

/**
 * Fills and joins the parts of a dataset's address.
 * @throws {REST_ADDRESS_INVALID} terminal
 */
export async function addressOf(
  source: RestSource,
  dataset: RestDataset,
  times: RequestTimes,
  fill: Fill,
): Promise<DatasetAddress> {
  const secrets: string[] = []
  const look = (refresh: boolean) => fillAddress({ source, dataset, times, secrets, refresh }, fill)
  const first = await look(false)
  const named = await fillAddress(withSecretNames({ source, dataset, times, secrets: [], refresh: false }), fill)
  const former: URL[] = []
  let latest = first
  const key = source.auth.type === 'apiKey' && source.auth.in === 'query' ? source.auth.name : undefined
  return {
    first,
    secrets,
    current: (url) => former.reduce((page, from) => withSecretsOf(latest, page, from), url),
    hide(url) {
      const hidden = [...former, latest].reduce((page, from) => withSecretsOf(named, page, from), url)
      // Servers write links that repeat the key; the credentials add it again.
      if (key !== undefined && hidden.searchParams.has(key)) hidden.searchParams.delete(key)
      return hidden.href
    },
    reveal: (hidden) => withSecretsOf(latest, new URL(hidden), named),
    async refresh() {
      const templates = [source.baseUrl, dataset.path, ...Object.values(dataset.query)]
      if (!templates.some((template) => template.includes('${secret:'))) return false
      const again = await look(true)
      former.push(latest)
      latest = again
      return true
    },
  }
}

type Parts = {
  readonly source: Pick<RestSource, 'name' | 'baseUrl'>
  readonly dataset: Pick<RestDataset, 'path' | 'query'>
  readonly times: RequestTimes
  /** Collects every secret that is filled in, in its encoded form. */
  readonly secrets: string[]
  readonly refresh: boolean
}

async function fillAddress({ source, dataset, times, secrets, refresh }: Parts, fill: Fill): Promise<URL> {
  const remember = (write: (value: string) => string) => (value: string) => {
    secrets.push(value, encodeURIComponent(value), encodeURI(value))
    return write(value)
  }
  const encoded = { refresh, encodeSecret: remember(encodeURIComponent) }
  const url = parseBase(source.name, (await fill(source.baseUrl, encoded)).trim())
  const [path = '', query = ''] = splitOnce(await fill(fillTimes(dataset.path, times) ?? '', encoded), '?')
  if (path !== '') url.pathname = `${url.pathname.replace(/\/+$/, '')}/${path.replace(/^\/+/, '')}`
  for (const [name, value] of new URLSearchParams(query)) url.searchParams.append(name, value)
  const plain = { refresh, encodeSecret: remember((value) => value) }
  for (const [name, template] of Object.entries(dataset.query)) {
    const filled = fillTimes(template, times)
    if (filled !== undefined) url.searchParams.append(name, await fill(filled, plain))
  }
  return url
}

/** The same parts with each secret's name for its value, in characters that are not encoded in an address. */
function withSecretNames({ source, dataset, ...rest }: Parts): Parts {
  const named = (template: string) => template.replaceAll(/\$\{secret:([^}]*)\}/g, 'secret.$1')
  const query = Object.entries(dataset.query).map(([name, template]) => [name, named(template)] as const)
  return {
    ...rest,
    source: { name: source.name, baseUrl: named(source.baseUrl) },
    dataset: { path: named(dataset.path), query: Object.fromEntries(query) },
  }
}

function parseBase(source: string, text: string): URL {
  const url = URL.parse(text)
  if (url === null) throw restErrors.REST_ADDRESS_INVALID(source, 'a text that is no address')
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw restErrors.REST_ADDRESS_INVALID(source, `the scheme ${url.protocol}`)
  if (url.username !== '' || url.password !== '') {
    throw restErrors.REST_ADDRESS_INVALID(source, 'one with user and password in it (say `auth` instead)')
  }
  url.hash = ''
  return url
}

/**
 * An address without user, secrets, and values that a server gave (cursors and signatures may be as sensitive as a password).
 * @param harmless parameters whose values may be shown
 */
export function showAddress(url: URL, harmless: ReadonlySet<string>, secrets: readonly string[]): string {
  const parameters = [...url.searchParams].map(([name, value]) => `${name}=${harmless.has(name) ? value : '…'}`)
  const text = `${url.origin}${url.pathname}${parameters.length === 0 ? '' : `?${parameters.join('&')}`}`
  return secrets.filter((secret) => secret !== '').reduce((shown, secret) => shown.replaceAll(secret, '…'), text)
}

function splitOnce(text: string, separator: string): string[] {
  const at = text.indexOf(separator)
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + separator.length)]
}

/**
 * A page's address with the refreshed secrets of the dataset's address. Servers write links that repeat the key
 * of the request; parameters that they add themselves stay. Exported for tests.
 *
 * @param latest the dataset's current address
 * @param page   the address of a page
 * @param former the dataset's address when the page's was made
 */
export function withSecretsOf(latest: URL, page: URL, former: URL): URL {
  const url = new URL(page)
  if (url.origin === former.origin) {
    url.protocol = latest.protocol
    url.host = latest.host
  }
  if (latest.pathname !== former.pathname && startsWith(url.pathname, former.pathname)) {
    url.pathname = latest.pathname + url.pathname.slice(former.pathname.length)
  }
  const exchanged = exchangedParameters(latest, former)
  const isOld = ([name, value]: readonly [string, string]) => exchanged.get(name)?.has(value) === true
  const parameters = [...url.searchParams]
  // Serialized again only if something changes: servers may treat two encodings of one query as different.
  if (parameters.some(isOld)) {
    const renewed = new URLSearchParams()
    for (const [name, value] of parameters) renewed.append(name, exchanged.get(name)?.get(value) ?? value)
    url.search = renewed.toString()
  }
  return url
}

/** New values by name and old value. Both addresses are made from the same templates, so their parameters are in the same order. */
function exchangedParameters(latest: URL, former: URL): ReadonlyMap<string, ReadonlyMap<string, string>> {
  const now = [...latest.searchParams]
  const exchanged = new Map<string, Map<string, string>>()
  for (const [index, [name, old]] of [...former.searchParams].entries()) {
    const value = now[index]?.[1]
    if (value === undefined || value === old) continue
    exchanged.set(name, (exchanged.get(name) ?? new Map<string, string>()).set(old, value))
  }
  return exchanged
}

function startsWith(path: string, start: string): boolean {
  return path === start || path.startsWith(start.endsWith('/') ? start : `${start}/`)
}
