import {
  AccountSASPermissions,
  ContainerSASPermissions,
  generateAccountSASQueryParameters,
  generateBlobSASQueryParameters,
  StorageSharedKeyCredential,
} from '@azure/storage-blob'
import { selfSignedCertificate, temporaryDirectory } from '@cinelake/testkit'
import { startAdlsEndpoint } from '@cinelake/testkit/adls'
import { join } from 'node:path'
import { setDefaultCACertificates } from 'node:tls'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { MIB, noCredential, openAdlsBench, SMALL, urlOf, type AdlsBench } from './adls.fixture.ts'
import { createAdlsLake } from './lake.ts'

let bench: AdlsBench
beforeEach(async () => {
  bench = await openAdlsBench()
})
afterEach(() => bench[Symbol.asyncDispose]())

describe('a shared access signature', () => {
  const signature = () => {
    const { account } = bench.endpoint
    return new StorageSharedKeyCredential(account.name, account.key)
  }
  const soon = () => new Date(Date.now() + 60_000)

  test('for the container is enough to do everything', async () => {
    const permissions = ContainerSASPermissions.parse('racwdl')
    const sas = generateBlobSASQueryParameters(
      { containerName: 'lake', permissions, expiresOn: soon() },
      signature(),
    ).toString()
    await using lake = await openWith(sas)

    expect(await lake.putIfAbsent('a/b', 'hello')).toBe('created')
    expect(await lake.putIfAbsent('a/b', 'hello')).toBe('exists')
    await using copy = await lake.download('a/b')
    expect(copy.file).toContain('/b')
    const paths: string[] = []
    for await (const { path } of lake.list('')) paths.push(path)
    expect(paths).toEqual(['a/b'])
    expect(await lake.delete('a/b')).toBe(true)
  })

  test('that permits too little is told, and never shown', async () => {
    const sas = generateAccountSASQueryParameters(
      { permissions: AccountSASPermissions.parse('rl'), services: 'b', resourceTypes: 'sco', expiresOn: soon() },
      signature(),
    ).toString()
    await using lake = await openWith(sas)

    const error: unknown = await lake.put('a', 'x').catch((reason: unknown) => reason)

    expect(error).toMatchObject({
      code: 'LAKE_UNAVAILABLE',
      message: expect.stringMatching(/Storage Blob Data Contributor/),
    })
    const sig = new URLSearchParams(sas).get('sig') ?? ''
    expect(inspectAll(error)).not.toContain(sig)
    expect(inspectAll(error)).not.toContain(encodeURIComponent(sig))
  })

  async function openWith(sas: string) {
    return await createAdlsLake({
      url: urlOf(bench.endpoint),
      sas,
      credential: noCredential,
      scratch: { directory: join(bench.directory, 'scratch'), limitBytes: MIB },
    })
  }
})

describe('the identity of the process', () => {
  test('is enough, over TLS; one that is not accepted is told, and its token never shown', async () => {
    await using directory = await temporaryDirectory()
    const tls = selfSignedCertificate()
    // This file has a process of its own, so that nobody else trusts it.
    setDefaultCACertificates([tls.certificate])
    await using endpoint = await startAdlsEndpoint({
      directory: join(directory.path, 'account'),
      containers: ['lake'],
      tls,
      token: 'good-token',
    })
    const openWithToken = async (token: string) =>
      await createAdlsLake({
        url: `abfss://lake@${endpoint.account.name}.dfs.core.windows.net`,
        connectionString: `BlobEndpoint=${endpoint.url}`,
        credential: async () => ({ getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 3_600_000 }) }),
        scratch: { directory: join(directory.path, 'scratch'), limitBytes: MIB },
        tuning: SMALL,
      })
    await using lake = await openWithToken('good-token')
    await using stranger = await openWithToken('bad-token')

    expect(await lake.putIfAbsent('a/b', 'x'.repeat(5000))).toBe('created')
    await lake.write('a/c', lake.read('a/b'))
    const error: unknown = await stranger.readText('a/b').catch((reason: unknown) => reason)

    expect(await lake.readText('a/c')).toBe('x'.repeat(5000))
    expect(error).toMatchObject({ code: 'LAKE_UNAVAILABLE', context: { reason: 'InvalidAuthenticationInfo' } })
    expect(inspectAll(error)).not.toContain('bad-token')
  })
})

/** What a careless log would show: words, fields, and the same of all causes. */
function inspectAll(error: unknown): string {
  return error instanceof Error ? `${error.stack} ${JSON.stringify(error)} ${inspectAll(error.cause)}` : String(error)
}
