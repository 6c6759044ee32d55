/** What the endpoint answers with. */
export type Answer = {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  /** Bytes that are streamed have their length in the headers. */
  readonly body?: string | AsyncIterable<Uint8Array>
}

/** A refusal, as Azure words it. Codes are listed at learn.microsoft.com/…/blob-service-error-codes and …/data-lake/errors */
export class Refusal extends Error {
  readonly status: number
  readonly code: string
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, code: string, message = code, headers: Readonly<Record<string, string>> = {}) {
    super(message)
    this.status = status
    this.code = code
    this.headers = headers
  }
}

/** A refusal in the dialect that was spoken: the DFS API answers in JSON, the Blob API in XML. */
export function answerOf({ status, code, message, headers }: Refusal, dialect: 'dfs' | 'blob'): Answer {
  const common = { ...headers, 'x-ms-error-code': code }
  if (dialect === 'dfs') {
    return {
      status,
      headers: { ...common, 'content-type': 'application/json' },
      body: JSON.stringify({ error: { code, message } }),
    }
  }
  const body = `<Error><Code>${escapeXml(code)}</Code><Message>${escapeXml(message)}</Message></Error>`
  return xml(status, body, common)
}

export function xml(status: number, body: string, headers: Readonly<Record<string, string>> = {}): Answer {
  return {
    status,
    headers: { ...headers, 'content-type': 'application/xml' },
    body: `<?xml version="1.0" encoding="utf-8"?>${body}`,
  }
}

export function escapeXml(text: string): string {
  return text.replaceAll(/[<>&'"]/g, (character) => `&#${character.charCodeAt(0)};`)
}
