// @module-tag slow: takes long
import { PASSWORD, startMssqlEndpoint, USER } from '@cinelake/testkit/mssql'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { describe, expect, test } from 'vitest'
import { silentLog } from '@cinelake/core'
import { noCredential } from '../no-credential.fixture.ts'
import { openMssqlDatabase } from './sql-server.ts'

async function openAt(url: string, credential = noCredential) {
  return await openMssqlDatabase<unknown>({ url }, { credential, log: silentLog })
}

describe('SDK protocol tests against the loopback endpoint: logging in', () => {
  test('with a user and a password nothing is asked of Entra', async () => {
    await using endpoint = await startMssqlEndpoint()
    await using it = await openAt(endpoint.url, noCredential)

    expect(it.location).toBe(`mssql://127.0.0.1:${endpoint.port}/mart_test`)
    expect(endpoint.logins[0]).toEqual({ userName: USER, password: PASSWORD, database: 'mart_test', token: undefined })
  })

  test('without a user every new connection asks Entra for a token, for the database alone, whatever the server says', async () => {
    await using endpoint = await startMssqlEndpoint()
    const asked: unknown[] = []
    const credential = async () => ({
      async getToken(scope: unknown) {
        asked.push(scope)
        return { token: `token ${asked.length}`, expiresOnTimestamp: 0 }
      },
    })
    await using it = await openAt(endpoint.url.replace(/\/\/.*@/, '//'), credential)

    const one = await it.pool.acquire()
    const other = await it.pool.acquire()
    it.pool.release(one)
    it.pool.release(other)

    // The first login only shows that there can be others.
    expect(endpoint.logins.map(({ token }) => token)).toEqual(['token 1', 'token 2', 'token 3'])
    expect(new Set(asked)).toEqual(new Set(['https://database.windows.net/.default']))
  })

  test('a token that cannot be had for now is a reason to try again', async () => {
    await using endpoint = await startMssqlEndpoint()
    const credential = async () => ({
      async getToken(): Promise<never> {
        throw new Error('Entra is away')
      },
    })

    await expect(openAt(endpoint.url.replace(/\/\/.*@/, '//'), credential)).rejects.toMatchObject({
      code: 'WAREHOUSE_UNAVAILABLE',
      message: expect.stringContaining('Entra gave no token'),
    })
  })

  test('a wrong password is refused for good, and stands in no message', async () => {
    await using endpoint = await startMssqlEndpoint()

    const opening = openAt(endpoint.url.replace(encodeURIComponent(PASSWORD), 'hunter2'))

    await expect(opening).rejects.toMatchObject({ code: 'WAREHOUSE_LOGIN_REFUSED', retryable: false })
    await expect(opening).rejects.not.toThrow('hunter2')
  })

  test.each([40613, 40197, 10928])(
    'a login that the server cannot take now (%i) is a reason to try again',
    async (number) => {
      await using endpoint = await startMssqlEndpoint()
      endpoint.loginFault = number

      await expect(openAt(endpoint.url)).rejects.toMatchObject({ code: 'WAREHOUSE_UNAVAILABLE', retryable: true })
    },
  )

  test.each([911, 916, 17892, 50_000])(
    'any other refusal (%i) is one for good, in the words of the server',
    async (number) => {
      await using endpoint = await startMssqlEndpoint()
      endpoint.loginFault = number

      await expect(openAt(endpoint.url)).rejects.toMatchObject({ code: 'WAREHOUSE_LOGIN_REFUSED', retryable: false })
    },
  )

  test('a server that is not there is a reason to try again', async () => {
    const { url } = await (async () => {
      await using endpoint = await startMssqlEndpoint()
      return endpoint
    })()

    await expect(openAt(url)).rejects.toMatchObject({ code: 'WAREHOUSE_UNAVAILABLE', retryable: true })
  })

  test('a certificate that nobody vouches for is refused for good; one that is trusted is taken', async () => {
    await using endpoint = await startMssqlEndpoint({ tls: true })
    await expect(openAt(endpoint.url)).rejects.toMatchObject({ code: 'WAREHOUSE_LOGIN_REFUSED', retryable: false })

    const before = getCACertificates('default')
    setDefaultCACertificates([...before, endpoint.certificate ?? ''])
    try {
      await using it = await openAt(endpoint.url)
      expect(await it.pool.use(async (session) => await session.run('SELECT 1 AS [one]'))).toMatchObject({
        rowCount: 1,
      })
    } finally {
      setDefaultCACertificates(before)
    }
  })
})
