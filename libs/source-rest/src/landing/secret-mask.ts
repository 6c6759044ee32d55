import { placeholdersIn, type Fill } from '@cinelake/secrets'

/** Hides the secrets of a task in what it keeps, by texts that name them. */
export type SecretMask = {
  /** Fills as before, and remembers the secrets. */
  readonly fill: Fill
  hide(texts: readonly string[], body: Buffer): Masked & { readonly masks: string[] }
  /** Puts the current secrets where `hide` put masks. */
  reveal(texts: readonly string[], body: Buffer, masks: readonly string[]): Promise<Masked>
}

type Masked = { readonly texts: readonly string[]; readonly body: Buffer }
type Form = (secret: string) => string

/** What `application/x-www-form-urlencoded` has for it (URL standard, 5.2). */
const form: Form = (secret) => new URLSearchParams([['', secret]]).toString().slice(1)
/** All but the unreserved characters of RFC 3986, 2.3. */
const strict: Form = (secret) => encodeURIComponent(secret).replaceAll(/[!'()*]/g, (one) => `%${hexOf(one, 2)}`)
const json: Form = (secret) => JSON.stringify(secret).slice(1, -1)
const hexOf = (character: string, digits: number) =>
  character.charCodeAt(0).toString(16).toUpperCase().padStart(digits, '0')

/** With percent escapes or escapes of JSON in lower case. */
const lower =
  (write: Form): Form =>
  (secret) =>
    write(secret).replaceAll(/%[0-9A-F]{2}|\\u[0-9A-F]{4}|\\\\/g, (escape) => escape.toLowerCase())
/** JSON with `\uXXXX` for further characters. */
const escaped =
  (characters: RegExp, write = json): Form =>
  (secret) =>
    write(secret).replaceAll(characters, (one) => `\\u${hexOf(one, 4)}`)
const slashed =
  (write: Form): Form =>
  (secret) =>
    write(secret).replaceAll('/', '\\/')

/** JSON in ASCII. */
const ascii = escaped(/[\u007F-\uFFFF]/g)

/** Shorter than this, what is left of a secret in base64 is found by chance. */
const MIN_BASE64 = 8

/**
 * The part of base64 that a secret determines, as in `Basic` credentials.
 * @param before bytes before the secret, modulo 3
 */
const base64 =
  (before: number): Form =>
  (secret) => {
    const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(secret)])
    const text = bytes.toString('base64').slice(before === 0 ? 0 : before + 1, Math.floor((bytes.length * 4) / 3))
    return text.length < MIN_BASE64 ? '' : text
  }

/** How servers write a secret: in an address, in JSON, XML or CSV. Masks have the number of a form: new ones come last. */
const FORMS: readonly Form[] = [
  (secret) => secret,
  encodeURIComponent,
  encodeURI,
  json,
  form,
  strict,
  ...[encodeURIComponent, encodeURI, form, strict].map(lower),
  ...[encodeURI, lower(encodeURI), json].map(slashed),
  ...[ascii, slashed(ascii)].flatMap((write) => [write, lower(write)]),
  // Of Go and .NET.
  lower(escaped(/[<>&\u2028\u2029]/g)),
  escaped(/[&'+<>`\u007F-\uFFFF]/g, (secret) => json(secret).replaceAll(String.raw`\"`, String.raw`\u0022`)),
  (secret) => secret.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;'),
  (secret) => secret.replaceAll('"', '""'),
  ...[0, 1, 2].map(base64),
]

/** `${secret:NAME:FORM}`; further `'` make it a text that the answer itself does not contain. */
const MASK = /^\$\{secret:(.*):(\d+)'*\}$/

/** Servers repeat the key of a request in links to the next page, and in what they say of themselves. */
export function createSecretMask(fill: Fill): SecretMask {
  /** Every written form, with the name of the secret and the number of the form. */
  const written = new Map<string, readonly [name: string, form: number]>()
  const remember = (name: string, secret: string) => {
    for (const [form, write] of FORMS.entries()) {
      const text = bytesAsText(write(secret))
      if (text !== '' && !written.has(text)) written.set(text, [name, form])
    }
  }
  return {
    fill(text, { encodeSecret = (secret: string) => secret, ...options } = {}) {
      const names = placeholdersIn(text).flatMap((one) => (one.kind === 'secret' ? [one.name] : []))
      return fill(text, {
        ...options,
        encodeSecret(secret) {
          remember(names.shift() ?? '', secret)
          return encodeSecret(secret)
        },
      })
    },
    hide(texts, body) {
      const head = texts.map(bytesAsText).join('\n')
      const found = [...written.keys()].filter((one) => head.includes(one) || body.includes(one, 'latin1'))
      if (found.length === 0) return { texts, body, masks: [] }
      const content = body.toString('latin1')
      const masks = new Map(
        found.map((one) => {
          const [name, form] = written.get(one) ?? ['', 0]
          let mask = `\${secret:${name}:${form}}`
          while (head.includes(mask) || content.includes(mask)) mask = mask.replace(/\}$/, "'}")
          return [one, mask]
        }),
      )
      return { ...replaced(texts, content, masks), masks: [...masks.values()] }
    },
    async reveal(texts, body, masks) {
      if (masks.length === 0) return { texts, body }
      const secrets = new Map<string, string>()
      for (const mask of masks) {
        const [, name = '', form = '0'] = MASK.exec(mask) ?? []
        const secret = await this.fill(`\${secret:${name}}`)
        secrets.set(mask, bytesAsText(FORMS[Number(form)]?.(secret) ?? secret))
      }
      return replaced(texts, body.toString('latin1'), secrets)
    },
  }
}

/** A character for each byte of UTF-8, so that bodies in any character set are searched as they are. */
const bytesAsText = (text: string) => Buffer.from(text).toString('latin1')

function replaced(texts: readonly string[], body: string, by: ReadonlyMap<string, string>): Masked {
  const longestFirst = [...by.keys()].sort((one, other) => other.length - one.length)
  const pattern = new RegExp(longestFirst.map((one) => RegExp.escape(one)).join('|'), 'g')
  const replace = (from: string) =>
    Buffer.from(
      from.replaceAll(pattern, (found) => by.get(found) ?? ''),
      'latin1',
    )
  return { texts: texts.map((text) => replace(bytesAsText(text)).toString()), body: replace(body) }
}
