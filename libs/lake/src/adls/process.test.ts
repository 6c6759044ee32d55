// @module-tag slow: kills processes
import { until } from '@cinelake/testkit'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { MIB, openAdlsBench, urlOf, type AdlsBench } from './adls.fixture.ts'

let bench: AdlsBench
beforeEach(async () => {
  bench = await openAdlsBench({ tuning: {} })
})
afterEach(() => bench[Symbol.asyncDispose]())

/** Uploads a file in a process of its own; production sizes. */
const uploading = (file: string) => {
  const script = `
    const { createAdlsLake } = await import('@cinelake/lake/adls')
    const [url, connectionString, directory, file] = process.argv.slice(1)
    const lake = await createAdlsLake({ url, connectionString, scratch: { directory, limitBytes: 1e9 } })
    await using _ = await lake.download('there')
    await lake.upload(file, 'raw/large')
  `
  const { endpoint, directory } = bench
  const flags = ['--conditions=@cinelake/source', '--input-type=module', '-e', script]
  return spawn(
    process.execPath,
    [...flags, urlOf(endpoint), endpoint.connectionString, join(directory, 'scratch'), file],
    { cwd: join(import.meta.dirname, '..'), stdio: 'inherit' },
  )
}

/** Where in the object a block belongs. */
const offsetIn = (query: URLSearchParams) => Number(Buffer.from(query.get('blockid') ?? '', 'base64').readBigUInt64BE())

describe('a process that is killed in the middle of an upload', () => {
  test('leaves nothing to be seen; the next one sends only what is missing and removes its scratch', async () => {
    const { endpoint, lake, directory, requests } = bench
    const file = join(directory, 'large')
    const content = Buffer.alloc(40 * MIB + 1, 'cinelake')
    // Blocks differ, as those of real files do.
    for (let at = 0; at < 40 * MIB; at += MIB) content.writeUInt32BE(at, at)
    await writeFile(file, content)
    await lake.put('there', 'x')
    const { promise, resolve } = Promise.withResolvers<void>()
    const held = endpoint.faults.add({
      when: ({ query }) => query.get('comp') === 'block' && offsetIn(query) >= 24 * MIB,
      times: 10,
      mishap: { kind: 'hold', until: promise },
    })
    const sent = () => requests.filter(({ query }) => query.get('comp') === 'block').map(({ query }) => offsetIn(query))

    const child = uploading(file)
    await until('the rest of the blocks is held back', () => held.happened === 2 && sent().length === 6)
    const scratchOfChild = await readdir(join(directory, 'scratch/lake'))
    child.kill('SIGKILL')
    await until('it is dead', () => child.signalCode !== null)
    expect(await lake.stat('raw/large')).toBeUndefined()
    resolve()
    await until('what it had begun to send has ended', () => sent().length === 8)
    requests.length = 0

    const next = await bench.open()
    await next.upload(file, 'raw/large')

    // Of the two blocks that were held back, all may have left the process before it died.
    const sentAgain = sent().filter((offset) => offset < 32 * MIB)
    expect([24 * MIB, 28 * MIB]).toEqual(expect.arrayContaining(sentAgain))
    const rest = sent().filter((offset) => offset >= 32 * MIB)
    expect(rest.toSorted((one, other) => one - other)).toEqual([32 * MIB, 36 * MIB, 40 * MIB])
    const hash = createHash('sha256')
    for await (const bytes of next.read('raw/large')) hash.update(bytes)
    expect(hash.digest('hex')).toBe(createHash('sha256').update(content).digest('hex'))
    expect(scratchOfChild).toHaveLength(2)
    const own = await readdir(join(directory, 'scratch/lake'))
    expect(own.filter((name) => name.includes(`_${child.pid}_`))).toEqual([])
  })
})
