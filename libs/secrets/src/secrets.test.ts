import { temporaryDirectory } from '@cinelake/testkit'
import { execFileSync } from 'node:child_process'
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createEnvSecrets } from './env.ts'
import { createFileSecrets } from './file.ts'
import { guardSecrets, secretsEnv, secretsSettings } from './secrets.ts'
import { openSecrets } from './open.ts'
import { secretsContract } from './contract/secrets-contract.ts'

secretsContract('env', async () => {
  const settings: Record<string, string> = {}
  return {
    secrets: createEnvSecrets(settings),
    async put(name, value) {
      settings[`CINELAKE_SECRET_${name}`] = value
    },
    async [Symbol.asyncDispose]() {},
  }
})

secretsContract('file', async () => {
  const directory = await temporaryDirectory()
  return {
    secrets: createFileSecrets(directory.path),
    put: (name, value) => writeFile(join(directory.path, name), value),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  }
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
  test('the mount may come later than the service', async () => {
    await using directory = await temporaryDirectory()
    const mount = join(directory.path, 'later')
    const secrets = createFileSecrets(mount)

    expect(await secrets.has('token')).toBe(false)
    await mkdir(mount)
    await writeFile(join(mount, 'token'), 'one')
    expect(await secrets.get('token')).toBe('one')
  })

  test('a mount that is exchanged as a whole, as Kubernetes does it, is read anew', async () => {
    await using directory = await temporaryDirectory()
    const at = (name: string) => join(directory.path, name)
    await mkdir(at('..v1'))
    await mkdir(at('..v2'))
    await writeFile(at('..v1/token'), 'one')
    await writeFile(at('..v2/token'), 'two')
    await symlink('..v1', at('..data'))
    await symlink('..data/token', at('token'))
    const secrets = createFileSecrets(directory.path)
    expect(await secrets.get('token')).toBe('one')

    await symlink('..v2', at('..next'))
    await rename(at('..next'), at('..data'))
    await rm(at('..v1'), { recursive: true })

    expect(await secrets.get('token')).toBe('two')
  })

  test('a file may have the name that the secret has in Key Vault', async () => {
    await using directory = await temporaryDirectory()
    await writeFile(join(directory.path, 'CRM-TOKEN'), 'from the vault')
    const secrets = createFileSecrets(directory.path)

    expect(await secrets.get('CRM_TOKEN')).toBe('from the vault')
    await writeFile(join(directory.path, 'CRM_TOKEN'), 'as it is called')
    expect(await secrets.get('CRM_TOKEN')).toBe('as it is called')
  })

  test('only one line break at the end is not part of the value', async () => {
    await using directory = await temporaryDirectory()
    await writeFile(join(directory.path, 'key'), 'line 1\nline 2\n\n')

    expect(await createFileSecrets(directory.path).get('key')).toBe('line 1\nline 2\n')
  })

  test('an empty file is no secret', async () => {
    await using directory = await temporaryDirectory()
    await writeFile(join(directory.path, 'key'), '\n')
    const secrets = createFileSecrets(directory.path)

    expect(await secrets.has('key')).toBe(false)
    await expect(secrets.get('key')).rejects.toMatchObject({ code: 'SECRET_MISSING' })
  })

  test('a secret that cannot be read is unavailable for now', async () => {
    await using directory = await temporaryDirectory()
    await mkdir(join(directory.path, 'token'))

    await expect(createFileSecrets(directory.path).get('token')).rejects.toMatchObject({
      code: 'SECRETS_UNAVAILABLE',
      retryable: true,
      message: expect.stringContaining('EISDIR'),
    })
  })
})

test('a pipe in the place of a file is told at once, and not waited for', async () => {
  await using directory = await temporaryDirectory()
  execFileSync('mkfifo', [join(directory.path, 'token')])

  await expect(createFileSecrets(directory.path).get('token')).rejects.toMatchObject({
    code: 'SECRETS_UNAVAILABLE',
    message: expect.stringContaining('a pipe'),
  })
})

describe('opening by address', () => {
  const credential = () => Promise.reject(new Error('nobody asked'))
  const open = (url: string) => openSecrets({ url }, { settings: { CRM_TOKEN: 'abc' }, credential })

  test('secrets are in the environment unless a setting says otherwise', async () => {
    const settings = secretsSettings({ CINELAKE_SECRETS: secretsEnv.CINELAKE_SECRETS.parse(undefined) })
    await using secrets = await openSecrets(settings, { settings: { CRM_TOKEN: 'abc' }, credential })

    expect(await secrets.get('CRM_TOKEN')).toBe('abc')
  })

  test('files are read where the address says', async () => {
    await using directory = await temporaryDirectory()
    await writeFile(join(directory.path, 'token'), 'one')

    expect(await (await open(`file:${directory.path}`)).get('token')).toBe('one')
    expect(await (await open(`file://${directory.path}`)).get('token')).toBe('one')
  })

  test.each([
    'file:',
    'vault:x',
    '',
    'http://v.vault.azure.net',
    'https://v.vault.azure.net/secrets/x',
    'https://me@v.vault.azure.net',
  ])('%j is a problem of configuration', async (url) => {
    await expect(open(url)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('CINELAKE_SECRETS'),
    })
  })

  test('a vault is opened without asking it anything', async () => {
    await using secrets = await open('https://v.vault.azure.net/')

    expect(secrets).toBeDefined()
  })
})

describe('a guard', () => {
  test('takes out what was handed out, and nothing else', async () => {
    const secrets = guardSecrets(createEnvSecrets({ A: 'asked for', B: 'never looked up' }))
    await secrets.get('A')

    expect(secrets.redact('asked for, never looked up')).toBe('[secret], never looked up')
  })

  test('still knows a secret that was rotated', async () => {
    const settings = { A: 'the old one' }
    const secrets = guardSecrets(createEnvSecrets(settings))
    await secrets.get('A')
    settings.A = 'the new one'
    await secrets.get('A', { refresh: true })

    expect(secrets.redact('the old one, the new one')).toBe('[secret], [secret]')
  })
})
