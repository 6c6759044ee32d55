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

/** A request as it is sent: with credentials, and with secrets as they are now. */
export type SignedRequest = {
  readonly url: URL
  readonly method: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body?: RequestBody | undefined
}
