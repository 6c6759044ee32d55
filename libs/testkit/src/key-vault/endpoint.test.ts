import { SecretClient, type SecretClientOptions } from '@azure/keyvault-secrets'
import { expect, test } from 'vitest'
import { startKeyVault, type KeyVaultEndpoint } from './endpoint.ts'

function clientOf({ url, certificate, credential }: KeyVaultEndpoint, options: SecretClientOptions = {}) {
  return new SecretClient(url, credential, {
    disableChallengeResourceVerification: true,
    tlsOptions: { ca: certificate },
    retryOptions: { maxRetries: 2, retryDelayInMs: 1 },
    ...options,
  })
}

test('secrets have versions, of which the newest is given', async () => {
  await using vault = await startKeyVault()
  const client = clientOf(vault)

  const first = await client.setSecret('db-pass', 'one')
  await client.setSecret('DB-pass', 'two')

  expect((await client.getSecret('db-pass')).value).toBe('two')
  expect((await client.getSecret('db-pass', { version: first.properties.version ?? '' })).value).toBe('one')
})

test('a secret may be missing, deleted, disabled or expired', async () => {
  await using vault = await startKeyVault()
  const client = clientOf(vault)
  await client.setSecret('gone', 'x')
  await client.beginDeleteSecret('gone').catch(() => {})
  const { properties } = await client.setSecret('off', 'x')
  await client.updateSecretProperties('off', properties.version ?? '', { enabled: false })
  await client.setSecret('old', 'x', { expiresOn: new Date('2020-01-01T00:00:00Z') })

  await expect(client.getSecret('never')).rejects.toMatchObject({ statusCode: 404, code: 'SecretNotFound' })
  await expect(client.getSecret('gone')).rejects.toMatchObject({ statusCode: 404 })
  await expect(client.getSecret('off')).rejects.toMatchObject({ statusCode: 403 })
  expect((await client.getSecret('old')).properties.expiresOn).toEqual(new Date('2020-01-01T00:00:00Z'))
})

test('only who has a good token is let in', async () => {
  await using vault = await startKeyVault()
  vault.set('a', 'x')
  const client = clientOf(vault)
  await client.getSecret('a')

  vault.revokeTokens()

  await expect(client.getSecret('a')).rejects.toMatchObject({ statusCode: 401 })
  expect((await clientOf(vault).getSecret('a')).value).toBe('x')
})

test('the SDK refuses a certificate that it does not know, and a vault that is not where it should be', async () => {
  await using vault = await startKeyVault()

  await expect(clientOf(vault, { tlsOptions: {} }).getSecret('a')).rejects.toThrow(/self-signed/)
  const strict = clientOf(vault, { disableChallengeResourceVerification: false })
  await expect(strict.getSecret('a')).rejects.toThrow(/does not match the requested domain/)
})

test('what passes is asked for again by the SDK', async () => {
  await using vault = await startKeyVault()
  vault.set('a', 'x')
  vault.failNext({ status: 503 }, { status: 429, retryAfter: '0' })

  expect((await clientOf(vault).getSecret('a')).value).toBe('x')
  expect(vault.requests).toEqual(Array(3).fill('GET /secrets/a/'))
})

test.each(['drop', 'lose-answer', 'truncate'] as const)('%s is an error', async (fault) => {
  await using vault = await startKeyVault()
  vault.set('a', 'x')
  vault.failNext(fault)

  await expect(clientOf(vault, { retryOptions: { maxRetries: 0 } }).getSecret('a')).rejects.toThrow(Error)
})
