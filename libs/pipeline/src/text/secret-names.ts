/** What is called after a secret and only says of what kind it is: `client_assertion_type`, `X-Token-Type`. */
const ABOUT_SECRET = /[_-](?:type|use|format)$/i

/** Whether a header is called as those are that carry a secret. */
export function isSecretHeader(name: string): boolean {
  return /^(?:authorization|cookie|.*(?:api-?key|token|secret).*)$/i.test(name) && !ABOUT_SECRET.test(name)
}

/** Whether a field of a token request is called as secrets are. */
export function isSecretParameter(name: string): boolean {
  return /password|secret|token|assertion/i.test(name) && !ABOUT_SECRET.test(name)
}

/** Whether a query parameter or a field of a body carries nothing but a secret. Cursors are called tokens as well. */
export function isSecretField(name: string): boolean {
  return /^(?:(?:x-)?api[_-]?key|(?:access|auth|bearer)[_-]?token|client[_-]?secret|secret|password|passwd)$/i.test(
    name,
  )
}

/** What a secret of `auth` is called in messages. */
export function secretWord(key: string): string {
  return WORDS[key] ?? key
}

const WORDS: Readonly<Record<string, string>> = { clientSecret: 'client secret', refreshToken: 'refresh token' }

/** The password of an address that is no single placeholder. */
export function passwordIn(url: string): string | undefined {
  return /^[a-z]+:\/\/(?:\$\{[^}]*\}|[^/@:$]|\$(?!\{))*:(.+)@/i.exec(url)?.[1]
}
