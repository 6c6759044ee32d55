/**
 * A page's address with the secrets of a dataset's address that was filled again. Servers write links that repeat the key
 * they were asked with; what they add themselves stays.
 *
 * @param latest the dataset's address as it is now
 * @param page   the address of a page
 * @param former the dataset's address as it was when the page's was made
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
  // Written anew only where something changes: servers may read one and the same query written in two ways as two.
  if (parameters.some(isOld)) {
    const renewed = new URLSearchParams()
    for (const [name, value] of parameters) renewed.append(name, exchanged.get(name)?.get(value) ?? value)
    url.search = renewed.toString()
  }
  return url
}

/** New values by name and old value. Both addresses were made of the same templates, so their parameters are in the same order. */
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
