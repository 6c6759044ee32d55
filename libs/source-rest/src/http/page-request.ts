/** What is sent along with a POST. */
export type RequestBody = { readonly contentType: string; readonly text: string }

/** A request for one page, without anything that says who asks. */
export type PageRequest = {
  readonly url: URL
  readonly method: 'GET' | 'POST'
  /** Besides the source's own, over which they go. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Made anew for each try, since secrets within it may have been looked up again. */
  readonly body?: (() => RequestBody) | undefined
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

/** A request as it is sent: with credentials, and with secrets as they are now. */
export type SignedRequest = {
  readonly url: URL
  readonly method: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body?: RequestBody | undefined
  /** Headers that hold for one request alone, at the time when they are asked for. They are for this server only. */
  readonly sign?: ((request: SentRequest) => Readonly<Record<string, string>>) | undefined
}
