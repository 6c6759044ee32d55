import { placeholdersIn, type Fill } from '@cinelake/secrets'

/** Hides the secrets of a task in what it keeps, by texts that name them. */
export type SecretMask = {
  /** Fills as before, and remembers the secrets. */
  readonly fill: Fill
  /** @param text JSON without secrets in the names of its fields */
  hide(text: string, body: Buffer): Masked & { readonly masks: string[] }
  /** Puts the current secrets where `hide` put masks. */
  reveal(text: string, body: Buffer, masks: readonly string[]): Promise<Masked>
}

type Masked = { readonly text: string; readonly body: Buffer }

/** How a secret is written in an address or in JSON. */
const FORMS: readonly ((secret: string) => string)[] = [
  (secret) => secret,
  encodeURIComponent,
  encodeURI,
  (secret) => JSON.stringify(secret).slice(1, -1),
]

/** `${secret:NAME:FORM}`; further `'` make it a text that the answer itself does not contain. */
const MASK = /^\$\{secret:(.*):(\d)'*\}$/

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
    hide(text, body) {
      const head = bytesAsText(text)
      const found = [...written.keys()].filter((one) => head.includes(one) || body.includes(one, 'latin1'))
      if (found.length === 0) return { text, body, masks: [] }
      const content = body.toString('latin1')
      const masks = new Map(
        found.map((one) => {
          const [name, form] = written.get(one) ?? ['', 0]
          let mask = `\${secret:${name}:${form}}`
          while (head.includes(mask) || content.includes(mask)) mask = mask.replace(/\}$/, "'}")
          return [one, mask]
        }),
      )
      return { ...replaced(head, content, masks), masks: [...masks.values()] }
    },
    async reveal(text, body, masks) {
      if (masks.length === 0) return { text, body }
      const secrets = new Map<string, string>()
      for (const mask of masks) {
        const [, name = '', form = '0'] = MASK.exec(mask) ?? []
        const secret = await this.fill(`\${secret:${name}}`)
        secrets.set(mask, bytesAsText(FORMS[Number(form)]?.(secret) ?? secret))
      }
      return replaced(bytesAsText(text), body.toString('latin1'), secrets)
    },
  }
}

/** A character for each byte of UTF-8, so that bodies in any character set are searched as they are. */
const bytesAsText = (text: string) => Buffer.from(text).toString('latin1')

function replaced(text: string, body: string, by: ReadonlyMap<string, string>): Masked {
  const longestFirst = [...by.keys()].sort((one, other) => other.length - one.length)
  const pattern = new RegExp(longestFirst.map((one) => RegExp.escape(one)).join('|'), 'g')
  const replace = (from: string) =>
    Buffer.from(
      from.replaceAll(pattern, (found) => by.get(found) ?? ''),
      'latin1',
    )
  return { text: replace(text).toString(), body: replace(body) }
}
