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
}

/** Whether HTTP allows a text as a header's value. Source: RFC 9110, 5.5 */
export const isHeaderValue = (text: string) => /^[\t\x20-\x7e\x80-\xff]*$/.test(text)

/** A request as it is sent: with credentials and current secrets. */
export type SignedRequest = {
  readonly url: URL
  readonly method: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body?: RequestBody | undefined
}
