import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createRedactor, REDACTED } from './redactor.ts'

describe('a redactor', () => {
  const value = 'p@"ss/ (wörd)+='
  const basic = (user: string) => Buffer.from(`${user}:${value}`).toString('base64')

  test.each([
    ['as it is', value],
    ['as part of an address', encodeURIComponent(value)],
    ['with small escapes', encodeURIComponent(value).replaceAll(/%../g, (escape) => escape.toLowerCase())],
    ['as a form writes it', new URLSearchParams({ key: value }).toString().slice('key='.length)],
    ['as a query writes it', new URL(`http://host/?${value}`).search.slice(1)],
    ['as a password of an address', Object.assign(new URL('http://host'), { password: value }).password],
    ['in JSON', JSON.stringify(value)],
    ['in JSON in JSON', JSON.stringify(JSON.stringify({ value }))],
    ['in Base64', Buffer.from(value).toString('base64')],
    ['in Base64 for addresses', Buffer.from(value).toString('base64url')],
  ])('takes a value out %s', (_, spelling) => {
    const redacted = createRedactor([value]).redact(`before ${spelling} after`)

    expect(redacted).toMatch(/^before .*\[secret\].* after$/)
    expect(redacted).not.toContain(spelling)
  })

  test.each(['me', 'you', 'user'])('takes a password out of the credentials of %j', (user) => {
    const redacted = createRedactor([value]).redact(`authorization: Basic ${basic(user)}`)

    expect(redacted).toContain(REDACTED)
    const rest = Buffer.from(redacted.replace(REDACTED, '').split(' ').at(-1) ?? '', 'base64').toString()
    expect(rest).not.toContain(value.slice(2, -2))
  })

  test('knows what was added later, and what was known before', () => {
    const redactor = createRedactor(['the old one'])
    redactor.add('the new one')

    expect(redactor.redact('the old one, the new one, another')).toBe('[secret], [secret], another')
  })

  test('takes out the longer of two secrets, one of which begins the other', () => {
    expect(createRedactor(['hunter', 'hunter2hunter']).redact('hunter2hunter hunter')).toBe('[secret] [secret]')
  })

  test.each(['', 'a', 'abc'])('leaves %j alone: it would blot out ordinary words', (short) => {
    expect(createRedactor([short]).redact('abc of the alphabet')).toBe('abc of the alphabet')
  })

  test('leaves texts alone that hold no secret', () => {
    expect(createRedactor().redact('nothing')).toBe('nothing')
    expect(createRedactor(['a secret']).redact('$& nothing')).toBe('$& nothing')
  })

  test('leaves no secret in any text that holds it', () => {
    const secret = fc.string({ minLength: 4, unit: 'binary' }).filter((text) => !REDACTED.includes(text))
    fc.assert(
      fc.property(secret, fc.string(), fc.string(), (text, before, after) => {
        const { redact } = createRedactor([text])

        for (const part of redact(before + text + after).split(REDACTED)) expect(part).not.toContain(text)
      }),
    )
  })

  test('leaves little of a secret in any Base64 that holds it', () => {
    const bytes = fc.string({ minLength: 12, maxLength: 40 })
    fc.assert(
      fc.property(bytes, fc.string({ maxLength: 5 }), fc.string({ maxLength: 5 }), (text, before, after) => {
        const encoded = Buffer.from(before + text + after).toString('base64')

        expect(createRedactor([text]).redact(encoded)).toContain(REDACTED)
      }),
    )
  })
})
