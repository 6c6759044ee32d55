import { createRedactor, reportError } from '@cinelake/core'
import { fixedClock } from '@cinelake/testkit'
import { startKeyVault } from '@cinelake/testkit/key-vault'
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { createKeyVaultSecrets, type KeyVaultOptions } from './key-vault.ts'
import { keyVaultName } from './secrets.ts'
import { secretsContract } from './contract/secrets-contract.ts'

async function givenVault(options: Partial<KeyVaultOptions> = {}) {
  const vault = await startKeyVault()
  const clock = fixedClock('2026-03-02T03:00:00Z')
  const secrets = createKeyVaultSecrets({
    url: vault.url,
    credential: async () => vault.credential,
    clock,
    client: {
      disableChallengeResourceVerification: true,
      tlsOptions: { ca: vault.certificate },
      retryOptions: { maxRetries: 2, retryDelayInMs: 1, maxRetryDelayInMs: 2 },
    },
    ...options,
  })
  return {
    vault,
    clock,
    secrets,
    put: async (name: string, value: string) => vault.set(keyVaultName(name), value),
    [Symbol.asyncDispose]: () => vault[Symbol.asyncDispose](),
  }
}

describe('SDK protocol tests against the loopback endpoint', () => {
  secretsContract('key-vault', () => givenVault())

  test('a secret is looked up once, and again when it was held for minutes', async () => {
    await using given = await givenVault()
    const { secrets, vault, clock } = given
    vault.set('CRM-TOKEN', 'one')

    await secrets.get('CRM_TOKEN')
    clock.advance(4 * 60_000)
    vault.set('CRM-TOKEN', 'two')
    expect(await secrets.get('CRM_TOKEN')).toBe('one')
    expect(vault.requests).toHaveLength(1)

    clock.advance(60_000)
    expect(await secrets.get('CRM_TOKEN')).toBe('two')
    expect(vault.requests).toEqual(['GET /secrets/CRM-TOKEN/', 'GET /secrets/CRM-TOKEN/'])
  })

  test('of many who ask for a secret at one time, one asks the vault', async () => {
    await using given = await givenVault()
    given.vault.set('crm-token', 'one')
    const names = ['crm-token', 'CRM_TOKEN', 'crm.token', 'Crm-Token']

    const values = await Promise.all([
      ...names.map((name) => given.secrets.get(name)),
      ...names.map((name) => given.secrets.get(name, { refresh: true })),
    ])

    expect(values).toEqual(Array(8).fill('one'))
    expect(given.vault.requests).toHaveLength(1)
  })

  test('a failed look-up is not held', async () => {
    await using given = await givenVault()
    await expect(given.secrets.get('CRM_TOKEN')).rejects.toMatchObject({ code: 'SECRET_MISSING' })

    given.vault.set('CRM-TOKEN', 'one')

    expect(await given.secrets.get('CRM_TOKEN')).toBe('one')
  })

  test('what passes is asked for again, and is no error', async () => {
    await using given = await givenVault()
    given.vault.set('a', 'one')
    given.vault.failNext({ status: 429, retryAfter: '0' }, 'drop')

    expect(await given.secrets.get('a')).toBe('one')
  })

  test.each([
    ['429', { status: 429 }, 'status 429'],
    ['503', { status: 503 }, 'status 503'],
    ['a connection that breaks', 'drop', /ECONNRESET|REQUEST_SEND_ERROR/],
    ['an answer that breaks off', 'lose-answer', /./],
    ['an answer that is cut short', 'truncate', 'no JSON'],
  ] as const)('%s again and again is unavailable for now', async (_, fault, reason) => {
    await using given = await givenVault()
    given.vault.set('a', 'the value of it')
    given.vault.failNext(fault, fault, fault)

    const error: unknown = await given.secrets.get('a').catch((refusal: unknown) => refusal)

    expect(error).toMatchObject({ code: 'SECRETS_UNAVAILABLE', retryable: true })
    expect(reportError(error).message).toMatch(reason)
    expect(reportError(error).message + inspect(error, { depth: 10, showHidden: true })).not.toContain('the value')
  })

  test('a page that is no answer is no secret', async () => {
    await using given = await givenVault()
    given.vault.set('a', 'one')
    given.vault.failNext('login-page')

    await expect(given.secrets.get('a')).rejects.toMatchObject({ retryable: true })
    expect(await given.secrets.get('a')).toBe('one')
  })

  test.each([
    [{ status: 403, code: 'Forbidden', innerCode: 'ForbiddenByRbac' }, /Key Vault Secrets User/],
    [{ status: 403, code: 'Forbidden', innerCode: 'ForbiddenByFirewall' }, /firewall/],
    [{ status: 403 }, /Key Vault Secrets User/],
  ])('%j says what to do', async (fault, remedy) => {
    await using given = await givenVault()
    given.vault.set('a', 'one')
    given.vault.failNext(fault)

    await expect(given.secrets.get('a')).rejects.toMatchObject({
      code: 'SECRETS_FORBIDDEN',
      retryable: false,
      message: expect.stringMatching(remedy),
    })
  })

  test('a token that is refused once is shown again; one that stays refused may not read', async () => {
    await using given = await givenVault()
    given.vault.set('a', 'one')
    await given.secrets.get('a')
    given.vault.failNext({ status: 401 })
    expect(await given.secrets.get('a', { refresh: true })).toBe('one')

    given.vault.revokeTokens()

    await expect(given.secrets.get('a', { refresh: true })).rejects.toMatchObject({
      code: 'SECRETS_FORBIDDEN',
      message: expect.stringMatching(/401.*Key Vault Secrets User/),
    })
  })

  test.each([
    ['enabled', { enabled: false }, /disabled/],
    ['exp', { exp: Date.parse('2026-03-01T00:00:00Z') / 1000 }, /expired at 2026-03-01T00:00:00.000Z/],
    ['nbf', { nbf: Date.parse('2026-04-01T00:00:00Z') / 1000 }, /not valid before 2026-04-01/],
  ])('a secret that is out of use (%s) is none', async (_, attributes, reason) => {
    await using given = await givenVault()
    given.vault.set('a', 'the value of it', attributes)

    expect(await given.secrets.has('a')).toBe(false)
    await expect(given.secrets.get('a')).rejects.toMatchObject({
      code: 'SECRET_UNUSABLE',
      retryable: false,
      message: expect.stringMatching(reason),
    })
  })

  test('a secret is not held beyond its end', async () => {
    await using given = await givenVault()
    given.vault.set('a', 'one', { exp: Date.parse('2026-03-02T03:01:00Z') / 1000 })
    await given.secrets.get('a')

    given.clock.advance(60_000)

    await expect(given.secrets.get('a')).rejects.toMatchObject({ code: 'SECRET_UNUSABLE' })
  })

  test('without an identity nothing is asked, and with one later it is', async () => {
    let identity: 'none' | 'there' = 'none'
    const vault = await startKeyVault()
    await using given = await givenVault({
      url: vault.url,
      credential: async () => ({
        async getToken() {
          if (identity === 'there') return await vault.credential.getToken()
          throw Object.assign(new Error('EnvironmentCredential is unavailable'), { name: 'CredentialUnavailableError' })
        },
      }),
      client: { disableChallengeResourceVerification: true, tlsOptions: { ca: vault.certificate } },
    })
    await using _ = vault
    vault.set('a', 'one')

    await expect(given.secrets.get('a')).rejects.toMatchObject({
      code: 'SECRETS_FORBIDDEN',
      message: expect.stringMatching(/no identity.*AZURE_TENANT_ID/),
    })
    identity = 'there'
    expect(await given.secrets.get('a')).toBe('one')
  })

  test('neither token nor value is in an error or its causes', async () => {
    await using given = await givenVault()
    given.vault.set('a', 'the value of it')
    given.vault.failNext({ status: 403 })

    const error: unknown = await given.secrets.get('a').catch((refusal: unknown) => refusal)

    const { token } = await given.vault.credential.getToken()
    expect(inspect(error, { depth: 10 })).not.toContain(token)
    expect(createRedactor([token]).redact(inspect(error, { depth: 10 }))).toBe(inspect(error, { depth: 10 }))
  })

  test('a vault that is not there is unavailable for now', async () => {
    const { url, ...vault } = await startKeyVault()
    await vault[Symbol.asyncDispose]()
    const secrets = createKeyVaultSecrets({
      url,
      credential: async () => vault.credential,
      client: { retryOptions: { maxRetries: 0 } },
    })

    await expect(secrets.get('a')).rejects.toMatchObject({ code: 'SECRETS_UNAVAILABLE', retryable: true })
  })
})

test.each([
  ['CRM_TOKEN', 'CRM-TOKEN'],
  ['crm.token-2', 'crm-token-2'],
  ['x'.repeat(127), 'x'.repeat(127)],
])('%s is called %s in Key Vault', (name, expected) => {
  expect(keyVaultName(name)).toBe(expected)
})

test.each(['x'.repeat(128), 'ä', 'a/b', ''])('the name %j cannot be in Key Vault', (name) => {
  expect(() => keyVaultName(name)).toThrow(/secret name is not usable/)
})
