/** The body of a POST. */
export type RequestBody = { readonly contentType: string; readonly text: string }

/** A request for one page, without credentials. */
export type PageRequest = {
  readonly url: URL
  readonly method: 'GET' | 'POST'
  /** Added to the source's own headers, which they override. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Built again for each try, since the secrets in it may have been refreshed. */
  readonly body?: (() => RequestBody) | undefined
  /** The error of a request that was refused for good. The body is for this alone: it may repeat the request. */
  readonly refused?: ((status: number, body: Uint8Array) => Error) | undefined
}

/** Whether HTTP allows a text as a header's value. Source: RFC 9110, 5.5 */
export const isHeaderValue = (text: string) => /^[\t\x20-\x7e\x80-\xff]*$/.test(text)

/** One request as the server sees it; a redirect is another one. */
export type SentRequest = {
  readonly method: 'GET' | 'POST'
  readonly url: URL
  /** All that this client sets, names in lower case; not those of the connection, such as `host`. */
  readonly headers: Readonly<Record<string, string>>
  /** Empty where there is none. */
  readonly body: Uint8Array
}

/** A request as it is sent: with credentials and current secrets. */
export type SignedRequest = {
  readonly url: URL
  readonly method: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body?: RequestBody | undefined
  readonly refused?: PageRequest['refused']
  /** Headers that hold for one request alone, at the time when they are asked for. They are for this server only. */
  readonly sign?: ((request: SentRequest) => Readonly<Record<string, string>>) | undefined
}
