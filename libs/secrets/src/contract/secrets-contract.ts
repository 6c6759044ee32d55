import { describe, expect, test } from 'vitest'
import { guardSecrets, type Secrets } from '../secrets.ts'

/** Invisible characters: white space of any script, byte order marks, control and zero-width characters. */
export const BLANKS = [
  ' ',
  '\n',
  '\r\n',
  ' \t \n\n',
  '\u{a0}',
  '\u{2003}\u{3000}',
  '\u{feff}',
  '\u{200b}',
  '\u{ad}\u{2060}',
  '\u{85}',
  '\u{3164}',
  '\u{0}\u{0}',
]

/** A store, and the means to put secrets into it. */
export type SecretsUnderTest = AsyncDisposable & {
  readonly secrets: Secrets
  /** Creates or replaces a secret. */
  readonly put: (name: string, value: string) => Promise<void>
}

/**
 * The contract test suite of every secret store.
 * @param nameOf makes a name that no other test has, for stores that outlive a test
 */
export function secretsContract(
  name: string,
  open: () => Promise<SecretsUnderTest>,
  nameOf: (name: string) => string = (each) => each,
): void {
  describe(`secrets contract: ${name}`, () => {
    test('a secret is found by its name', async () => {
      await using given = await open()
      const secret = nameOf('CRM_TOKEN')
      await given.put(secret, 'ab c=')

      expect(await given.secrets.has(secret)).toBe(true)
      expect(await given.secrets.get(secret)).toBe('ab c=')
    })

    test('a rotated secret is the new one as soon as it is looked up again', async () => {
      await using given = await open()
      const secret = nameOf('ROTATED')
      await given.put(secret, 'the old one')
      await given.secrets.get(secret)

      await given.put(secret, 'the new one')

      expect(await given.secrets.get(secret, { refresh: true })).toBe('the new one')
      expect(await given.secrets.get(secret)).toBe('the new one')
    })

    test('values come as they are, except for a line break at the end', async () => {
      await using given = await open()
      const values = ['line 1\nline 2\n', ' "ünïcödé" \\ % ', '🔑', 'a\r\n', 'x'.repeat(20_000)]
      await Promise.all(values.map((value, index) => given.put(nameOf(`VALUE_${index}`), value)))

      const found = await Promise.all(values.map((_, index) => given.secrets.get(nameOf(`VALUE_${index}`))))
      expect(found).toEqual(['line 1\nline 2', ' "ünïcödé" \\ % ', '🔑', 'a', 'x'.repeat(20_000)])
    })

    test('a secret that is not there is an error that says where it was looked for', async () => {
      await using given = await open()
      const secret = nameOf('NOT_THERE')

      expect(await given.secrets.has(secret)).toBe(false)
      await expect(given.secrets.get(secret)).rejects.toMatchObject({
        code: 'SECRET_MISSING',
        retryable: false,
        message: expect.stringContaining(secret),
      })
    })

    test.each(BLANKS)('a secret of nothing but blanks (%j) is not there', async (blank) => {
      await using given = await open()
      const secret = nameOf('BLANK')
      await given.put(secret, blank)

      expect(await given.secrets.has(secret)).toBe(false)
      await expect(given.secrets.get(secret)).rejects.toMatchObject({ code: 'SECRET_MISSING' })
    })

    test.each(['', '..', '../x', 'a/b', '.hidden', 'a b', 'a\0', 'a?b', 'a%2fb'])(
      'the name %j is refused',
      async (refused) => {
        await using given = await open()

        await expect(given.secrets.get(refused)).rejects.toMatchObject({ code: 'SECRET_NAME_INVALID' })
        await expect(given.secrets.has(refused)).rejects.toMatchObject({ code: 'SECRET_NAME_INVALID' })
      },
    )

    test('what was handed out is taken out of texts', async () => {
      await using given = await open()
      const secret = nameOf('GUARDED')
      await given.put(secret, 'p@ss word')
      const guarded = guardSecrets(given.secrets)
      await guarded.get(secret)

      expect(guarded.redact('with p@ss word and p%40ss%20word')).toBe('with [secret] and [secret]')
    })
  })
}
