import type { Window } from '@cinelake/core'
import type { RestDataset, RestSource } from '@cinelake/pipeline'
import type { Fill } from '@cinelake/secrets'
import { RestAddressError } from './errors.ts'

/** The address of a dataset's first page, and how addresses of its pages are shown to people. */
export type DatasetAddress = {
  readonly first: URL
  readonly show: (url: URL) => string
}

/**
 * Fills and joins the parts of a dataset's address.
 * @throws {RestAddressError} terminal
 */
export async function addressOf(
  source: RestSource,
  dataset: RestDataset,
  window: Window,
  fill: Fill,
): Promise<DatasetAddress> {
  const secrets: string[] = []
  const remember = (write: (value: string) => string) => (value: string) => {
    secrets.push(value, encodeURIComponent(value), encodeURI(value))
    return write(value)
  }
  const encodeSecret = remember(encodeURIComponent)
  const first = parseBase(source.name, (await fill(source.baseUrl, { encodeSecret })).trim())
  const [path = '', query = ''] = splitOnce(await fill(forWindow(dataset.path, window), { encodeSecret }), '?')
  if (path !== '') first.pathname = `${first.pathname.replace(/\/+$/, '')}/${path.replace(/^\/+/, '')}`
  for (const [name, value] of new URLSearchParams(query)) first.searchParams.append(name, value)
  for (const [name, template] of Object.entries(dataset.query)) {
    first.searchParams.append(
      name,
      await fill(forWindow(template, window), { encodeSecret: remember((value) => value) }),
    )
  }
  const harmless = harmlessParameters(dataset)
  return { first, show: (url) => showAddress(url, harmless, secrets) }
}

/** `{window.start}` and `{window.end}` are the window's instants. */
function forWindow(template: string, window: Window): string {
  return template.replaceAll('{window.start}', window.start).replaceAll('{window.end}', window.end)
}

function parseBase(source: string, text: string): URL {
  const url = URL.parse(text)
  if (url === null) throw new RestAddressError(source, 'a text that is no address')
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw new RestAddressError(source, `the scheme ${url.protocol}`)
  if (url.username !== '' || url.password !== '') {
    throw new RestAddressError(source, 'one with user and password in it (say `auth` instead)')
  }
  url.hash = ''
  return url
}

/** Parameters whose values stand in the pipeline's text, or count pages. */
function harmlessParameters({ query, pagination }: RestDataset): ReadonlySet<string> {
  const plain = Object.entries(query)
    .filter(([, template]) => !template.includes('${'))
    .map(([name]) => name)
  const counting =
    pagination.type === 'page' ? [pagination.parameter, pagination.sizeParameter ?? pagination.parameter] : []
  return new Set([...plain, ...counting])
}

/** An address without user, secrets, and values that a server gave (cursors and signatures may be as good as a password). */
function showAddress(url: URL, harmless: ReadonlySet<string>, secrets: readonly string[]): string {
  const parameters = [...url.searchParams].map(([name, value]) => `${name}=${harmless.has(name) ? value : '…'}`)
  const text = `${url.origin}${url.pathname}${parameters.length === 0 ? '' : `?${parameters.join('&')}`}`
  return secrets.filter((secret) => secret !== '').reduce((shown, secret) => shown.replaceAll(secret, '…'), text)
}

function splitOnce(text: string, separator: string): string[] {
  const at = text.indexOf(separator)
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + separator.length)]
}
