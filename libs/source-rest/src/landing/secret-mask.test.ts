import { createFill } from '@cinelake/secrets'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createSecretMask } from './secret-mask.ts'

const maskOf = (secret: string) => {
  const secrets = { get: async () => secret, has: async () => true, async [Symbol.asyncDispose]() {} }
  return createSecretMask(createFill({ settings: {}, secrets }))
}
const lowerHex = (text: string) => text.replaceAll(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase())
const asciiJson = (text: string) =>
  JSON.stringify(text).replaceAll(/[\u007f-\uffff]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** As `quote` of Python and `rawurlencode` of PHP. */
const quoted = (text: string) =>
  encodeURIComponent(text).replaceAll(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`)

/** How servers write a secret into their answers. */
const WRITTEN: readonly ((secret: string) => string)[] = [
  (secret) => secret,
  (secret) => new URLSearchParams({ key: secret }).toString(),
  (secret) => lowerHex(new URLSearchParams({ key: secret }).toString()),
  encodeURIComponent,
  (secret) => lowerHex(encodeURIComponent(secret)),
  quoted,
  (secret) => lowerHex(quoted(secret)),
  encodeURI,
  (secret) => encodeURI(secret).replaceAll('/', String.raw`\/`),
  (secret) => JSON.stringify({ secret }),
  (secret) => JSON.stringify({ secret }).replaceAll('/', String.raw`\/`),
  asciiJson,
  (secret) => asciiJson(secret).replaceAll('/', String.raw`\/`),
  (secret) => asciiJson(secret).replaceAll(/(?<=\\u)[0-9a-f]{4}/g, (hex) => hex.toUpperCase()),
]
/** The text without what is around the secret in it. */
const bare = (text: string) => text.replace(/^(?:key=|"|\{"secret":")/, '').replace(/"\}?$/, '')

const awkward = fc.constantFrom(...` !'()~*+/\\"&<>%=#?;:,[]{}$\`^|@\n`.split(''), 'ü', 'ẞ', '日', '🔑', 'a', 'Z', '0')
const anySecret = fc.array(awkward, { minLength: 6, maxLength: 24 }).map((parts) => `k${parts.join('')}q`)

test('no written form of a secret is in what is kept, and what is read again is as it was received', async () => {
  await fc.assert(
    fc.asyncProperty(anySecret, fc.array(fc.nat(WRITTEN.length - 1), { maxLength: 20 }), async (secret, order) => {
      const mask = maskOf(secret)
      await mask.fill('${secret:KEY}')
      const texts = WRITTEN.map((write) => write(secret))
      const body = Buffer.from(`${order.map((at) => texts[at]).join(' ${secret:KEY:1} ')}${texts.join('\n')}`)

      const hidden = mask.hide(texts, body)
      const revealed = await mask.reveal(hidden.texts, hidden.body, hidden.masks)

      const kept = `${hidden.texts.join('\n')}${hidden.body.toString()}`
      for (const text of texts) expect(kept).not.toContain(bare(text))
      expect(revealed.texts).toEqual(texts)
      expect(revealed.body.equals(body)).toBe(true)
    }),
  )
})

test('`Basic` credentials with a secret password, or a secret user, are not in what is kept', async () => {
  const mask = maskOf('p4ss/wörd-long')
  await mask.fill('${secret:KEY}')
  for (const credentials of ['u', 'us', 'use', 'p4ss/wörd-long'].map((user) => `${user}:p4ss/wörd-long`)) {
    const text = Buffer.from(credentials).toString('base64')

    const hidden = mask.hide([text], Buffer.from(text))

    expect(Buffer.from(hidden.texts[0]?.replace(/\$.*?\}/g, '') ?? '', 'base64').toString()).not.toMatch(/ss|long/)
    expect((await mask.reveal(hidden.texts, hidden.body, hidden.masks)).body.toString()).toBe(text)
  }
})
