/**
 * A page's address with the refreshed secrets of the dataset's address. Servers write links that repeat the key
 * of the request; parameters that they add themselves stay.
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
