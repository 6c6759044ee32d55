import { temporaryDirectory } from '@cinelake/testkit'
import fc from 'fast-check'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createEnvSecrets } from './env.ts'
import { createFileSecrets } from './file.ts'
import { guardSecrets } from './guard.ts'
import type { Secrets } from './secrets.ts'

const adapters: {
  readonly name: string
  readonly open: (values: Record<string, string>) => Promise<AsyncDisposable & { secrets: Secrets }>
}[] = [
  {
    name: 'env',
    open: async (values) => {
      const settings = Object.fromEntries(
        Object.entries(values).map(([name, value]) => [`CINELAKE_SECRET_${name}`, value]),
      )
      return { secrets: createEnvSecrets(settings), async [Symbol.asyncDispose]() {} }
    },
  },
  {
    name: 'file',
    open: async (values) => {
      const directory = await temporaryDirectory()
      for (const [name, value] of Object.entries(values)) await writeFile(join(directory.path, name), `${value}\n`)
      return {
        secrets: createFileSecrets(directory.path),
        [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
      }
    },
  },
]

describe.each(adapters)('secrets contract: $name', ({ open }) => {
  test('a secret is found by its name', async () => {
    await using given = await open({ CRM_TOKEN: 'ab c=' })

    expect(await given.secrets.get('CRM_TOKEN')).toBe('ab c=')
    expect(await given.secrets.has('CRM_TOKEN')).toBe(true)
  })

  test('a secret that is not there is an error that says where it was looked for', async () => {
    await using given = await open({})

    expect(await given.secrets.has('CRM_TOKEN')).toBe(false)
    await expect(given.secrets.get('CRM_TOKEN')).rejects.toMatchObject({
      code: 'SECRET_MISSING',
      retryable: false,
      message: expect.stringContaining('CRM_TOKEN'),
    })
  })

  test.each(['', '..', '../x', 'a/b', '.hidden', 'a b', 'a\0'])('the name %j is refused', async (name) => {
    await using given = await open({})

    await expect(given.secrets.get(name)).rejects.toMatchObject({ code: 'SECRET_NAME_INVALID' })
    await expect(given.secrets.has(name)).rejects.toMatchObject({ code: 'SECRET_NAME_INVALID' })
  })
})

describe('secrets from the environment', () => {
  test.each([
    ['CRM_TOKEN', { CRM_TOKEN: 'plain' }, 'plain'],
    ['CRM_TOKEN', { CRM_TOKEN: 'plain', CINELAKE_SECRET_CRM_TOKEN: 'prefixed' }, 'prefixed'],
    ['CRM_TOKEN', { CRM_TOKEN: 'plain', CINELAKE_SECRET_CRM_TOKEN: '' }, 'plain'],
    ['crm-token', { CRM_TOKEN: 'shell' }, 'shell'],
    ['crm.token', { CINELAKE_SECRET_CRM_TOKEN: 'shell' }, 'shell'],
  ])('%s of %j is %s', async (name, settings, expected) => {
    expect(await createEnvSecrets(settings).get(name)).toBe(expected)
  })
})

describe('secrets from files', () => {
  test('a rotated secret is read anew, and the mount may come later than the service', async () => {
    await using directory = await temporaryDirectory()
    const mount = join(directory.path, 'later')
    const secrets = createFileSecrets(mount)

    expect(await secrets.has('token')).toBe(false)
    await mkdir(mount)
    await writeFile(join(mount, 'token'), 'one')
    expect(await secrets.get('token')).toBe('one')
    await writeFile(join(mount, 'token'), 'two\r\n')
    expect(await secrets.get('token')).toBe('two')
  })

  test('only one line break at the end is not part of the value', async () => {
    await using directory = await temporaryDirectory()
    await writeFile(join(directory.path, 'key'), 'line 1\nline 2\n\n')

    expect(await createFileSecrets(directory.path).get('key')).toBe('line 1\nline 2\n')
  })

  test('a secret that cannot be read is unavailable for now', async () => {
    await using directory = await temporaryDirectory()
    await mkdir(join(directory.path, 'token'))

    await expect(createFileSecrets(directory.path).get('token')).rejects.toMatchObject({
      code: 'SECRETS_UNAVAILABLE',
      retryable: true,
    })
  })
})

describe('a guard', () => {
  test('takes out what was handed out, also in other spellings, and nothing else', async () => {
    const value = 'p@"ss (wörd)'
    const secrets = guardSecrets(createEnvSecrets({ A: value, B: 'never asked for' }))
    await secrets.get('A')
    const spellings = [
      value,
      encodeURIComponent(value),
      new URL(`http://host/?${new URLSearchParams({ key: value }).toString()}`).search.slice('?key='.length),
      JSON.stringify(value),
      Buffer.from(value).toString('base64'),
    ]

    for (const spelling of spellings) expect(secrets.redact(`x ${spelling} y`)).toMatch(/^x "?\[secret\]"? y$/)
    expect(secrets.redact('never asked for')).toBe('never asked for')
  })

  test('still knows a secret that was rotated', async () => {
    const settings = { A: 'the old one' }
    const secrets = guardSecrets(createEnvSecrets(settings))
    await secrets.get('A')
    settings.A = 'the new one'
    await secrets.get('A', { refresh: true })

    expect(secrets.redact('the old one, the new one')).toBe('[secret], [secret]')
  })

  test('leaves no secret in any text that holds it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ minLength: 4 }), fc.string(), fc.string(), async (value, before, after) => {
        const secrets = guardSecrets(createEnvSecrets({ A: value }))
        await secrets.get('A')

        expect(secrets.redact(before + value + after).replaceAll('[secret]', '')).not.toContain(value)
      }),
    )
  })
})
