import { AS_SECRET, isSecretField, type Problems, type YamlPath, type YamlText } from '@cinelake/config-text'
import type { Queue } from '@cinelake/contracts'
import { closestName, suggest } from '@cinelake/core'

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

/**
 * The same of an address that is asked over HTTP, and reports what it has of a secret.
 * @param instead what to do about a user in it
 */
export function checkHttpUrl(url: string, { text, path, problems }: SourcePlace, instead = 'take them out'): void {
  checkUrl(url, ['https', 'http'], { text, path, problems })
  // `fetch` refuses such an address.
  if (/^[a-z]+:\/\/[^/?#]*@/i.test(url)) {
    problems.error(text.at(path), 'the address has user and password in it', instead)
  }
  for (const [name, value] of new URLSearchParams(url.split('?')[1] ?? '')) {
    if (!isSecretField(name) || value.includes('${secret:')) continue
    problems.error(text.at(path), `the query parameter \`${name}\` has its secret in the text`, AS_SECRET)
  }
}

/** A source with a site has the queue of the agent there. */
export const agentQueue = (site: string | undefined): Queue =>
  site === undefined ? 'ingest-files' : `ingest-files.${site}`

export const siteOf = ({ site }: { readonly site?: string | undefined }) => (site === undefined ? {} : { site })
