/** A link of a response header (RFC 8288). */
type HeaderLink = { readonly target: string; readonly relations: readonly string[] }

const LINK = /\s*<([^>]*)>((?:\s*;\s*[^\s=;,]+(?:\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^\s;,"]*))?)*)\s*(?:,|$)/y
const PARAMETER = /;\s*([^\s=;,]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*)))?/g

/** The links of a `Link` header. A syntax error ends the list. */
function parseLinkHeader(header: string): HeaderLink[] {
  const links: HeaderLink[] = []
  LINK.lastIndex = 0
  while (LINK.lastIndex < header.length) {
    const [whole, target = '', parameters = ''] = LINK.exec(header) ?? []
    if (whole === undefined) break
    // Of several `rel` the first one counts. Source: RFC 8288, 3.3
    const rel = [...parameters.matchAll(PARAMETER)].find(([, name]) => name?.toLowerCase() === 'rel')
    links.push({ target, relations: (rel?.[2] ?? rel?.[3] ?? '').toLowerCase().split(/\s+/) })
  }
  return links
}

/** The address of a relation: `next`. */
export function linkOf(headers: Headers, relation: string): string | undefined {
  const links = parseLinkHeader(headers.get('link') ?? '')
  return links.find(({ relations }) => relations.includes(relation.toLowerCase()))?.target
}
