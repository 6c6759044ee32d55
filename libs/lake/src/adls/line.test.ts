// @module-tag slow: kills processes
import { selfSignedCertificate, temporaryDirectory } from '@cinelake/testkit'
import { startAdlsEndpoint } from '@cinelake/testkit/adls'
import { startConnectProxy } from '@cinelake/testkit/connect-proxy'
import { startProxy } from '@cinelake/testkit/proxy'
import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { MIB, noCredential, openAdlsBench } from './adls.fixture.ts'
import { createAdlsLake } from './lake.ts'

describe('a limited line', () => {
  test('carries every byte that is uploaded, and counts what is sent again', async () => {
    let counted = 0
    const throttle = async (bytes: number) => void (counted += bytes)
    await using bench = await openAdlsBench({ throttle, tuning: { blockBytes: MIB, retryDelayMs: 1 } })
    const content = randomBytes(5 * MIB + 7)
    const { lake, endpoint } = bench
    endpoint.faults.add({
      when: ({ query }) => query.get('comp') === 'block',
      mishap: { kind: 'refuse', status: 503, code: 'ServerBusy' },
    })

    await lake.write('raw/large', pieces(content))
    await lake.put('raw/small', 'x'.repeat(10))

    expect(counted).toBe(content.length + MIB + 10)
    expect(await digestOf(lake.read('raw/large'))).toBe(createHash('sha256').update(content).digest('hex'))
  })

  test('that is not free lets an upload be given up', async () => {
    const stop = new AbortController()
    const throttle = (_bytes: number, signal?: AbortSignal) =>
      new Promise<void>((_resolve, reject) => {
        signal?.addEventListener('abort', () => reject(new Error('stopped')), { once: true })
        stop.abort()
      })
    await using bench = await openAdlsBench({ throttle })

    const written = bench.lake.write('raw/large', pieces(randomBytes(5000)), { signal: stop.signal })

    await expect(written).rejects.toMatchObject({ code: 'WORK_CANCELLED' })
    expect(await bench.lake.stat('raw/large')).toBeUndefined()
  })
})

describe('a line that is cut in the middle of an upload', () => {
  test('costs at most one block for each cut, and the other blocks of the window at first', async () => {
    await using directory = await temporaryDirectory()
    await using endpoint = await startAdlsEndpoint({ directory: join(directory.path, 'account'), containers: ['lake'] })
    await using network = await startProxy({ port: endpoint.port })
    const { name, key } = endpoint.account
    const [blockBytes, windowBytes, cuts] = [MIB, 3 * MIB, 5]
    await using lake = await createAdlsLake({
      url: `abfs://lake@${name}.127.0.0.1:${network.port}`,
      connectionString: `AccountName=${name};AccountKey=${key}`,
      credential: noCredential,
      scratch: { directory: join(directory.path, 'scratch'), limitBytes: 100 * MIB },
      tuning: { blockBytes, windowBytes, retryDelayMs: 1, maxRetryDelayMs: 5 },
    })
    const content = randomBytes(24 * MIB)
    const file = join(directory.path, 'large')
    await writeFile(file, content)
    let [left, allowed] = [cuts, 0]
    const cutAgain = () => {
      if (left === 0) return
      left -= 1
      allowed += 4 * MIB - 100_000
      network.cutAfter('toServer', 4 * MIB - 100_000)
    }
    cutAgain()
    const watch = setInterval(() => network.passed.toServer >= allowed && cutAgain(), 1)

    await lake.upload(file, 'raw/large')

    clearInterval(watch)
    expect(left).toBe(0)
    const heads = 50 * 2_000
    expect(network.passed.toServer).toBeGreaterThan(content.length)
    expect(network.passed.toServer - content.length).toBeLessThanOrEqual(windowBytes + (cuts - 1) * blockBytes + heads)
    expect(await digestOf(lake.read('raw/large'))).toBe(createHash('sha256').update(content).digest('hex'))
  })
})

describe('a company with a proxy and a certificate authority of its own', () => {
  const script = `
    const { openLake } = await import('@cinelake/lake/open')
    const [url, connectionString, directory] = process.argv.slice(1)
    const credential = () => Promise.reject(new Error('not needed'))
    await using lake = await openLake({ url, connectionString, scratch: { directory, limitBytes: 1e9 } }, { credential })
    async function* content() { for (let n = 0; n < 20; n++) yield Buffer.alloc(1024 * 1024, n) }
    const { sizeBytes } = await lake.write('raw/large', content())
    const names = []
    for await (const { path } of lake.list('raw')) names.push(path)
    process.stdout.write(JSON.stringify({ sizeBytes, names }))
  `
  const inProcess = async (environment: Record<string, string>) => {
    await using directory = await temporaryDirectory()
    const tls = selfSignedCertificate()
    const certificates = join(directory.path, 'company.pem')
    await writeFile(certificates, tls.certificate)
    await using endpoint = await startAdlsEndpoint({
      directory: join(directory.path, 'account'),
      containers: ['lake'],
      tls,
    })
    await using proxy = await startConnectProxy()
    const flags = ['--conditions=@cinelake/source', '--input-type=module', '-e', script]
    const { url, account, connectionString, port } = endpoint
    const place = `abfss://lake@${account.name}.dfs.core.windows.net`
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [...flags, place, connectionString, join(directory.path, 'scratch')],
      {
        cwd: join(import.meta.dirname, '..'),
        env: { HTTPS_PROXY: proxy.url, NODE_EXTRA_CA_CERTS: certificates, ...environment },
      },
    )
    return { said: JSON.parse(stdout) as unknown, proxy, url, port }
  }

  test('has all that goes to the lake and comes from it go through the proxy', async () => {
    const { said, proxy, port } = await inProcess({})

    expect(said).toEqual({ sizeBytes: 20 * MIB, names: ['raw/large'] })
    expect(new Set(proxy.tunnels)).toEqual(new Set([`127.0.0.1:${port}`]))
    expect(proxy.bytesOut()).toBeGreaterThan(20 * MIB)
  })

  test('may except hosts from it', async () => {
    const { said, proxy } = await inProcess({ NO_PROXY: '127.0.0.1' })

    expect(said).toMatchObject({ sizeBytes: 20 * MIB })
    expect(proxy.tunnels).toEqual([])
  })
})

async function* pieces(content: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += 100_000) yield content.subarray(at, at + 100_000)
}

async function digestOf(content: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256')
  for await (const block of content) hash.update(block)
  return hash.digest('hex')
}
