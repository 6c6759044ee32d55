import { ConfigError } from './errors.ts'

/**
 * Makes an adapter.
 * @param location what follows the scheme, without `//`: `.cinelake/lake` of `file:.cinelake/lake`
 * @param url the setting as a whole
 */
export type Opener<T> = (location: string, url: string) => T

/**
 * Chooses an adapter by the scheme of its address, so that the same binary runs anywhere.
 * @param setting the name of the setting that the address came from, for the message
 * @throws {ConfigError} terminal: lists the supported schemes; never the address, which may hold a password
 */
export function openByScheme<T>(url: string, openers: Readonly<Record<string, Opener<T>>>, setting = 'address'): T {
  const [prefix, scheme] = /^([a-z][a-z0-9+.-]*):/i.exec(url) ?? []
  const opener =
    scheme === undefined ? undefined : Object.entries(openers).find(([name]) => name === scheme.toLowerCase())?.[1]
  if (prefix === undefined || opener === undefined) {
    const known = Object.keys(openers).map((name) => `\`${name}:\``)
    const got = scheme === undefined ? 'none' : `\`${scheme}:\``
    throw new ConfigError(`${setting} cannot be used`, [
      `expected an address with the scheme ${known.join(' or ')}, got ${got}`,
    ])
  }
  return opener(url.slice(prefix.length).replace(/^\/\//, ''), url)
}
