import type { Answer } from '../http/send-request.ts'

/** The format of a body. */
export type BodyFormat = 'json' | 'ndjson' | 'csv' | 'xml'

const LINES = /^application\/(?:x-)?(?:ndjson|jsonl|jsonlines|json-lines|json-seq)$|\+(?:ndjson|jsonl)$/
const XML = /^(?:application|text)\/xml$|\+xml$/

/** The format of a body, by its content type; if that is not conclusive, by the extension in the address. */
export function formatOf(answer: Pick<Answer, 'headers' | 'url'>): BodyFormat {
  const type = typeOf(answer)
  if (LINES.test(type)) return 'ndjson'
  if (type === 'text/csv' || type === 'application/csv' || type === 'text/tab-separated-values') return 'csv'
  // XHTML is XML by name only, and never data.
  if (XML.test(type) && type !== 'application/xhtml+xml') return 'xml'
  if (!/^(?:|application\/(?:x-)?(?:gzip|octet-stream)|binary\/octet-stream|text\/plain)$/.test(type)) return 'json'
  const ending = /\.(json|ndjson|jsonl|csv|tsv|xml)(?:\.gz)?$/i.exec(answer.url.pathname)?.[1]?.toLowerCase()
  if (ending === 'ndjson' || ending === 'jsonl') return 'ndjson'
  if (ending === 'csv' || ending === 'tsv') return 'csv'
  return ending === 'xml' ? 'xml' : 'json'
}

/** The content type that the server declared, if it is not JSON. */
export function typeNote(answer: Pick<Answer, 'headers'>): string {
  const type = typeOf(answer)
  return type === '' || /[/+]json$/i.test(type) ? '' : ` (${type})`
}

function typeOf({ headers }: Pick<Answer, 'headers'>): string {
  return (headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? ''
}
