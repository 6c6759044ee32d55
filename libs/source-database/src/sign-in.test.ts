import { once } from 'node:events'
import { reportError } from '@cinelake/core'
import type { DatabaseSource } from './config/index.ts'
import { createFill } from '@cinelake/secrets'
import { createEnvSecrets } from '@cinelake/secrets/env'
import { startMssqlEndpoint, type MssqlEndpoint } from '@cinelake/testkit/mssql'
import type { AzureCredential } from '@cinelake/database'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { errorResponse, PASSWORD_REQUEST, startAnswering } from './postgres/server.fixture.ts'
import { withDatabase } from './with-database.ts'

const WRONG = 'hunter2'
const settings = { ERP_PASSWORD: WRONG, PLAIN: 'x', ERP: '' }

/** What a sign-in at this address ends in. */
async function refusal(url: string, credential?: AzureCredential) {
  const source: DatabaseSource = { type: 'database', name: 'erp', url, include: [], exclude: [], datasets: [] }
  const fill = createFill({ settings, secrets: createEnvSecrets(settings) })
  const { signal } = new AbortController()
  const looking = withDatabase(source, { fill, signal, credential }, (database) => database.tables({ views: false }))
  const report = reportError(await looking.catch((error: unknown) => error))
  expect(JSON.stringify(report)).not.toContain(WRONG)
  return report
}

describe('SQL Server (SDK protocol tests against the loopback endpoint)', () => {
  let endpoint: MssqlEndpoint
  beforeAll(async () => void (endpoint = await startMssqlEndpoint()))
  afterAll(() => endpoint[Symbol.asyncDispose]())
  beforeEach(() => endpoint.reset())
  const withUser = (user: string) => endpoint.url.replace(/\/\/[^@]*@/, `//${user}`)
  const anIdentity: AzureCredential = async () => ({ getToken: async () => ({ token: 't', expiresOnTimestamp: 0 }) })

  test('a refused password names the source and the secret, never the password', async () => {
    expect(await refusal(withUser('cinelake:${secret:ERP_PASSWORD}@'))).toMatchObject({
      code: 'DATABASE_LOGIN_REFUSED',
      retryable: false,
      message: expect.stringMatching(
        /refused the login \[source=erp server=.* reason=mssql 18456\].*check the user in the source's `url` and the secret ERP_PASSWORD, which was looked up again/,
      ),
    })
  })

  test('a user without a password is told to give one', async () => {
    const { message } = await refusal(withUser('cinelake@'))

    expect(message).toContain("the source's `url` has no password: write `mssql://USER:${secret:NAME}@HOST/DATABASE`")
    expect(message).not.toContain('looked up again')
  })

  // No default database, a logon trigger, the wrong kind of login.
  test.each([4064, 17_892, 18_450])('what else refuses a login (%i) is no failed query', async (number) => {
    endpoint.loginFault = number

    expect(await refusal(endpoint.url)).toMatchObject({ code: 'DATABASE_LOGIN_REFUSED', retryable: false })
  })

  test('a firewall is not taken for a wrong password', async () => {
    endpoint.loginFault = 40_615

    const { code, message } = await refusal(endpoint.url)

    expect([code, message]).toEqual(['DATABASE_LOGIN_REFUSED', expect.stringContaining("the server's firewall")])
    expect(message).not.toContain('check user and password')
  })

  test('a login that cannot be taken now is tried again', async () => {
    endpoint.loginFault = 40_613

    expect(await refusal(endpoint.url)).toMatchObject({ code: 'DATABASE_UNAVAILABLE', retryable: true })
  })

  test('a server that offers no encryption is told how to go without, and not asked again', async () => {
    expect(await refusal(endpoint.url.replace('encrypt=false', 'encrypt=true'))).toMatchObject({
      code: 'DATABASE_TLS_REFUSED',
      retryable: false,
      message: expect.stringContaining('reason=EENCRYPT'),
    })
  })

  test('an identity that is no user of the database is told how to become one', async () => {
    endpoint.loginFault = 18_456

    expect(await refusal(withUser(''), anIdentity)).toMatchObject({
      code: 'DATABASE_LOGIN_REFUSED',
      message: expect.stringContaining('CREATE USER [NAME] FROM EXTERNAL PROVIDER'),
    })
  })

  test.each([
    ['there is none', undefined],
    ['nobody is signed in', () => Promise.reject(new Error('ManagedIdentityCredential: unavailable'))],
    ['no token is given', async () => ({ getToken: () => Promise.reject(new Error('AADSTS7000215')) })],
    ['a token is not known', async () => ({ getToken: async () => null })],
  ] as readonly (readonly [string, AzureCredential | undefined])[])(
    'without a user, and an identity where %s, both ways are told',
    async (_what, credential) => {
      expect(await refusal(withUser(''), credential)).toMatchObject({
        code: 'DATABASE_IDENTITY_MISSING',
        retryable: true,
        message: expect.stringMatching(
          /source=erp.*write `mssql:\/\/USER:\$\{secret:NAME\}@HOST\/DATABASE`.*CINELAKE_SECRET_NAME.*or give this machine an identity of Azure.*AZURE_CLIENT_ID/,
        ),
        context: { source: 'erp' },
      })
    },
  )
})

describe('PostgreSQL', () => {
  const request = (kind: number, rest = '') => {
    const head = Buffer.from([0x52, 0, 0, 0, 0, 0, 0, 0, kind])
    head.writeUInt32BE(8 + rest.length, 1)
    return Buffer.concat([head, Buffer.from(rest)])
  }
  const missing =
    /the source's `url` has no password: write `postgres:\/\/USER:\$\{secret:NAME\}@HOST\/DATABASE`.*CINELAKE_SECRET_NAME/

  test.each([
    ['as it is', PASSWORD_REQUEST],
    ['as MD5', request(5, 'salt')],
    ['by SCRAM', request(10, 'SCRAM-SHA-256\0\0')],
  ])('an address without a password, where the server asks for one %s', async (_how, asking) => {
    await using server = await startAnswering(async (socket) => {
      socket.write(asking)
      await once(socket, 'data')
      socket.end(errorResponse('28P01', 'password authentication failed for user "u"'))
    })

    expect(await refusal(`postgres://u@${server.host}/db`)).toMatchObject({
      code: 'DATABASE_LOGIN_REFUSED',
      retryable: false,
      message: expect.stringMatching(missing),
    })
  })

  test('an address without a user is told to name one', async () => {
    await using server = await startAnswering((socket) => void socket.end(errorResponse('28000', 'no such role')))

    expect((await refusal(`postgres://${server.host}/db`)).message).toContain("the source's `url` has no user: write")
  })

  test.each([
    ['u:${secret:ERP_PASSWORD}@', 'and the secret ERP_PASSWORD, which was looked up again'],
    ['u:${PLAIN}@', 'and the setting PLAIN'],
    ['u:pw@', "check user and password in the source's `url`"],
  ])('a refused password of %s is told where it came from', async (user, words) => {
    await using server = await startAnswering((socket) => void socket.end(errorResponse('28P01', 'no')))

    expect((await refusal(`postgres://${user}${server.host}/db`)).message).toContain(words)
  })

  test('an address that is a secret as a whole is corrected there', async () => {
    await using server = await startAnswering((socket) => void socket.end(errorResponse('28P01', 'no')))
    settings.ERP = `postgres://u@${server.host}/db`

    expect((await refusal('${secret:ERP}')).message).toContain('the address in the secret ERP has no password: write')
  })
})
