import { temporaryDirectory } from '@cinelake/testkit'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { MIB, noCredential, openAdlsBench, SMALL, urlOf } from './adls.fixture.ts'
import { createAdlsLake } from './lake.ts'
import { lakeContract } from '../contract/lake-contract.ts'

// Of what is larger than a range, a reader whom a writer overtakes gets an error: see `lake.test.ts`.
lakeContract('adls, SDK protocol tests against the loopback endpoint', () =>
  openAdlsBench({ tuning: { ...SMALL, rangeBytes: MIB } }),
)

lakeContract('adls with production sizes, in a folder of the container', async () => {
  const bench = await openAdlsBench({ tuning: {} })
  return {
    lake: await bench.open({ url: urlOf(bench.endpoint, '/a folder/lake') }),
    [Symbol.asyncDispose]: async () => await bench[Symbol.asyncDispose](),
  }
})

const { CINELAKE_TEST_ADLS: url, CINELAKE_TEST_ADLS_CONNECTION_STRING: connectionString } = process.env

const inAzure = url === undefined || connectionString === undefined ? [] : [{ url, connectionString }]

test.skipIf(inAzure.length === 0)(
  'lake contract: adls in Azure (needs CINELAKE_TEST_ADLS and CINELAKE_TEST_ADLS_CONNECTION_STRING)',
  () => {
    expect(url).toMatch(/^abfss:/)
  },
)

for (const account of inAzure) {
  lakeContract('adls in Azure', async () => {
    const scratch = await temporaryDirectory()
    const lake = await createAdlsLake({
      url: `${account.url.replace(/\/$/, '')}/cinelake-test-${randomUUID()}`,
      connectionString: account.connectionString,
      credential: noCredential,
      scratch: { directory: join(scratch.path, 'scratch'), limitBytes: 100 * MIB },
      tuning: { pageSize: 3, blockBytes: 10_000 },
    })
    return {
      lake,
      async [Symbol.asyncDispose]() {
        for await (const { path } of lake.list('')) await lake.delete(path)
        await lake[Symbol.asyncDispose]()
        await scratch[Symbol.asyncDispose]()
      },
    }
  })
}
