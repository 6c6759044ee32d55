import { reportError } from '@cinelake/core'
import type { DatabaseSource } from './config/index.ts'
import { createFill, type Secrets } from '@cinelake/secrets'
import { createKeyVaultSecrets } from '@cinelake/secrets/key-vault'
import { startKeyVault, type KeyVaultEndpoint } from '@cinelake/testkit/key-vault'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { errorResponse, startAnswering, startPostgres } from './postgres/server.fixture.ts'
import { withDatabase } from './with-database.ts'

let server: Awaited<ReturnType<typeof startPostgres>>
beforeAll(async () => void (server = await startPostgres()))
afterAll(() => server[Symbol.asyncDispose]())

function secretsOf(vault: KeyVaultEndpoint): Secrets {
  const client = { disableChallengeResourceVerification: true, tlsOptions: { ca: vault.certificate } }
  return createKeyVaultSecrets({ url: vault.url, credential: async () => vault.credential, client })
}

function aSource(url: string): DatabaseSource {
  return { type: 'database', name: 'billing', url, include: [], exclude: [], datasets: [] }
}

/** Looks into the database as a task does. */
async function look(url: string, secrets: Secrets) {
  const fill = createFill({ settings: {}, secrets })
  const { signal } = new AbortController()
  return await withDatabase(aSource(url), { fill, signal }, (database) => database.tables({ views: false }))
}

test('a login with a password that was rotated is tried again with the new one', async () => {
  await using vault = await startKeyVault()
  const secrets = secretsOf(vault)
  vault.set('BILLING-PASSWORD', 'the old one')
  expect(await secrets.get('BILLING_PASSWORD')).toBe('the old one')

  vault.set('BILLING-PASSWORD', 'p@ss')
  const tables = await look(`postgres://postgres:\${secret:BILLING_PASSWORD}@${server.host}/shop`, secrets)

  expect(tables).toEqual([])
  expect(vault.requests).toHaveLength(2)
})

test('an address that is a secret as a whole is looked up again as well', async () => {
  await using vault = await startKeyVault()
  const secrets = secretsOf(vault)
  vault.set('BILLING', `postgres://postgres:old@${server.host}/shop`)
  await secrets.get('BILLING')

  vault.set('BILLING', server.url)

  expect(await look('${secret:BILLING}', secrets)).toEqual([])
})

test('a login that the new password does not help is refused, and shows neither', async () => {
  await using vault = await startKeyVault()
  vault.set('BILLING-PASSWORD', 'not-this-one')

  const error: unknown = await look(
    `postgres://postgres:\${secret:BILLING_PASSWORD}@${server.host}/shop`,
    secretsOf(vault),
  ).catch((refusal: unknown) => refusal)

  expect(error).toMatchObject({ code: 'DATABASE_LOGIN_REFUSED', retryable: false })
  expect(reportError(error).message).not.toContain('not-this-one')
  expect(vault.requests).toHaveLength(2)
})

test('a login without any secret is tried once', async () => {
  await using vault = await startKeyVault()
  let logins = 0
  await using refusing = await startAnswering((socket) => {
    logins += 1
    socket.end(errorResponse('28P01', 'password authentication failed'))
  })

  await expect(look(`postgres://postgres:x@${refusing.host}/shop`, secretsOf(vault))).rejects.toMatchObject({
    code: 'DATABASE_LOGIN_REFUSED',
  })
  expect(logins).toBe(1)
})
