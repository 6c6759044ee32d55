import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createEnvSecrets } from './env.ts'
import { isBlank } from './secrets.ts'
import { createFill, placeholdersIn, type Settings } from './placeholders.ts'

function fillWith(settings: Settings) {
  return createFill({ settings, secrets: createEnvSecrets(settings) })
}

describe('filling a text', () => {
  const settings = {
    HOST: 'db.example',
    EMPTY: '',
    BLANK: ' \t\u{a0}\n',
    CINELAKE_SECRET_PASSWORD: 'p@ss/word',
    WEIRD: '${HOST} $& $1',
  }

  test.each([
    ['plain text', 'plain text'],
    ['${HOST}', 'db.example'],
    ['a ${HOST} b ${HOST}', 'a db.example b db.example'],
    ['${MISSING:-default}', 'default'],
    ['${EMPTY:-default}', 'default'],
    ['${BLANK:-default}', 'default'],
    ['${HOST:-default}', 'db.example'],
    ['${MISSING:-}', ''],
    ['${MISSING:-/a/b:c-d e}', '/a/b:c-d e'],
    ['${secret:PASSWORD}', 'p@ss/word'],
    ['postgres://me:${secret:PASSWORD}@${HOST}/x', 'postgres://me:p@ss/word@db.example/x'],
    ['${WEIRD}', '${HOST} $& $1'],
    ['costs $5 {really}', 'costs $5 {really}'],
  ])('%j gives %j', async (text, expected) => {
    expect(await fillWith(settings)(text)).toBe(expected)
  })

  test('a secret can be written in the way that an address needs', async () => {
    const filled = await fillWith(settings)('postgres://me:${secret:PASSWORD}@${HOST}/x', {
      encodeSecret: encodeURIComponent,
    })

    expect(filled).toBe('postgres://me:p%40ss%2Fword@db.example/x')
  })

  test('every setting that is missing or misspelt is named at once, with what would be right', async () => {
    const filled = fillWith({})('${ONE} ${TWO:-x} ${THREE} ${secret:} ${not a name} ${unended')

    await expect(filled).rejects.toMatchObject({
      code: 'PLACEHOLDER_UNFILLED',
      retryable: false,
      problems: [
        expect.stringMatching(/\$\{ONE\}.*environment variable ONE/),
        expect.stringMatching(/\$\{THREE\}/),
        expect.stringContaining('`${secret:}` is no placeholder'),
        expect.stringContaining('`${not a name}` is no placeholder'),
        expect.stringContaining('`${unended` is no placeholder'),
      ],
    })
  })

  test('a secret that is missing is named, with the places where it was looked for', async () => {
    await expect(fillWith({})('${secret:crm-token}')).rejects.toMatchObject({
      code: 'SECRET_MISSING',
      message: expect.stringMatching(/secret=crm-token.*CINELAKE_SECRET_crm-token.*CRM_TOKEN/),
    })
  })

  test('a refused secret is looked up again on demand', async () => {
    const asked: (boolean | undefined)[] = []
    const secrets = {
      ...createEnvSecrets({}),
      get: async (_name: string, options?: { readonly refresh?: boolean }) => (asked.push(options?.refresh), 'x'),
    }
    const fill = createFill({ settings: {}, secrets })

    await fill('${secret:a}')
    await fill('${secret:a}', { refresh: true })

    expect(asked).toEqual([false, true])
  })
})

test('what a text needs can be told without filling it', () => {
  expect(placeholdersIn('${A} ${B:-b} ${secret:C} ${')).toEqual([
    { kind: 'setting', name: 'A' },
    { kind: 'setting', name: 'B', fallback: 'b' },
    { kind: 'secret', name: 'C' },
    { kind: 'malformed', text: '${' },
  ])
})

test.each(['', ' ', '\n', '\u{2003}', '\0'])(
  'a setting or a secret of nothing but blanks (%j) is missing',
  async (blank) => {
    const fill = fillWith({ A: blank, CINELAKE_SECRET_B: blank })

    await expect(fill('${A}')).rejects.toMatchObject({ code: 'PLACEHOLDER_UNFILLED' })
    await expect(fill('${secret:B}')).rejects.toMatchObject({ code: 'SECRET_MISSING' })
  },
)

test('values are put in as they are, whatever they hold', async () => {
  const seen = fc.string({ minLength: 1 }).filter((text) => !isBlank(text))
  await fc.assert(
    fc.asyncProperty(seen, seen, async (a, b) => {
      expect(await fillWith({ A: a, CINELAKE_SECRET_B: b })('<${A}|${secret:B}|${A}>')).toBe(`<${a}|${b}|${a}>`)
    }),
  )
})
