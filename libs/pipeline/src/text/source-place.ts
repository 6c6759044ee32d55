import { closestName, suggest } from '@cinelake/core'
import type { Problems } from '../problem.ts'
import type { YamlPath, YamlText } from './yaml-text.ts'

/** A source's place in the text, for what is wrong with it. */
export type SourcePlace = { readonly text: YamlText; readonly path: YamlPath; readonly problems: Problems }

/** Schemes of addresses that are taken for one that works here. */
const OTHER_SCHEMES = ['file', 'ftp', 'sftp', 'jdbc', 'mysql', 'oracle', 'mongodb', 'sqlserver', 'odbc', 's3', 'abfss']

/** Reports an address without a scheme, or with one that is not known. An address that a placeholder begins says nothing yet. */
export function checkUrl(url: string, schemes: readonly string[], { text, path, problems }: SourcePlace): void {
  if (url.startsWith('${')) return
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(url)?.[1]?.toLowerCase()
  if (scheme !== undefined && schemes.includes(scheme)) return
  problems.error(
    text.at(path),
    // A scheme that is like none may be a part of a secret that has no address around it.
    scheme === undefined
      ? 'the address has no scheme'
      : closestName(scheme, [...schemes, ...OTHER_SCHEMES]) === undefined
        ? 'unknown scheme'
        : `unknown scheme \`${scheme}:\``,
    scheme === undefined
      ? `expected it to begin with ${schemes.map((known) => `\`${known}://\``).join(' or ')}`
      : suggest(scheme, schemes),
  )
}

export const siteOf = ({ site }: { readonly site?: string | undefined }) => (site === undefined ? {} : { site })
