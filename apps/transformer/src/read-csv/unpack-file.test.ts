import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { until } from '@cinelake/testkit'
import { beforeEach, afterEach, describe, expect, test } from 'vitest'
import { zipOf } from './zip.fixture.ts'
import { aColumn, aDataset, aRefinery, type Refinery } from '../refine/refinery.fixture.ts'

const dataset = aDataset({ columns: [aColumn('id', { type: 'INTEGER' }), aColumn('note')] })

let refinery: Refinery
beforeEach(async () => {
  refinery = await aRefinery()
})
afterEach(() => refinery[Symbol.asyncDispose]())

async function refinePacked(files: Readonly<Record<string, Buffer>>, compression: 'gzip' | 'zip', place = refinery) {
  const command = await place.land(dataset, { files })
  const manifest = JSON.parse((await place.lake.readText(command.manifest)) ?? '')
  const packed = manifest.files.map((file: object) => ({ ...file, compression }))
  await place.lake.put(command.manifest, JSON.stringify({ ...manifest, files: packed }))
  return await place.refine(command)
}

describe('what may be unpacked', () => {
  const limited = { limits: { maxUnpackedBytes: 100_000 } }
  const bomb = (bytes: number) => Buffer.from(`id,note\n1,${'a'.repeat(bytes)}\n`)

  test.each([
    ['a gzip file', 'gzip' as const, () => gzipSync(bomb(50_000_000))],
    ['a gzip file of many members', 'gzip' as const, () => Buffer.concat(Array(200).fill(gzipSync(bomb(1000))))],
    ['a zip archive', 'zip' as const, () => zipOf({ 'a.csv': bomb(50_000_000).toString() })],
    [
      'an archive that says less than is in it',
      'zip' as const,
      () => zipOf({ 'a.csv': bomb(50_000_000).toString() }, (sizes) => sizes.writeUInt32LE(1000, 8)),
    ],
    [
      'an archive of many members',
      'zip' as const,
      () => zipOf(Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`${n}.csv`, bomb(1000).toString()]))),
    ],
  ])('is bounded: %s', async (_, compression, make) => {
    await using bounded = await aRefinery(limited)

    const refining = refinePacked({ 'drop.packed': make() }, compression, bounded)

    await expect(refining).rejects.toMatchObject({
      code: expect.stringMatching(/^REFINE_FILE_(?:UNPACKED_TOO_LARGE|NOT_UNPACKED)$/),
      retryable: false,
      message: expect.stringContaining('file=drop.packed'),
    })
    const [own = ''] = await readdir(join(bounded.directory, 'texts'))
    expect(await readdir(join(bounded.directory, 'texts', own))).toEqual([])
  })

  test('is told with what came in, what came out, the limit and its setting', async () => {
    await using bounded = await aRefinery(limited)
    const packed = gzipSync(bomb(5_000_000))

    await expect(refinePacked({ 'a.gz': packed }, 'gzip', bounded)).rejects.toThrow(
      new RegExp(
        `file=a.gz packedBytes=${packed.length} unpackedBytes=[1-9]\\d{5}\\d?\\]: expected at most 100000 bytes.*CINELAKE_MAX_UNPACKED_BYTES`,
      ),
    )
  })

  test('is unpacked in scratch, and not on the disk of the lake', async () => {
    await using bounded = await aRefinery({ limits: { maxUnpackedBytes: 100_000_000 } })
    const rows = Array.from({ length: 100_000 }, (_, n) => `${n},note\n`).join('')
    const packed = gzipSync(`id,note\n${rows}`)
    let places: string[] = []
    const refining = refinePacked({ 'a.gz': packed }, 'gzip', bounded)

    await until('it is unpacked', async () => {
      const found = await readdir(bounded.directory, { recursive: true }).catch(() => [])
      places = found.filter((path) => path.endsWith('unpacked.csv'))
      return places.length > 0
    })

    expect(places.every((path) => path.startsWith('texts'))).toBe(true)
    expect(await refining).toMatchObject({ balance: { in: 100_000 } })
  })

  test('may have members of any name, which lead nowhere', async () => {
    const members = {
      '../../up.csv': 'id,note\n1,a\n',
      '/etc/at.csv': 'id,note\n2,b\nx,c\n',
      'back\\slash\n.csv': 'id\n3\n',
    }

    expect(await refinePacked({ 'a.zip': zipOf(members) }, 'zip')).toMatchObject({ balance: { in: 4, out: 3 } })
    expect(await refinery.rowsOf('_rejects/orders', 'ALL', 'file')).toEqual([{ file: 'a.zip//etc/at.csv' }])
  })
})

describe('packed files', () => {
  test('a gzip file is read, also one of several members', async () => {
    const bytes = Buffer.concat([gzipSync('id,note\n1,a\n'), gzipSync('2,b\n')])

    expect(await refinePacked({ 'a.csv.gz': bytes }, 'gzip')).toMatchObject({ balance: { in: 2, out: 2 } })
    expect(await refinery.rowsOf('orders', 'id', 'id, note')).toEqual([
      { id: 1, note: 'a' },
      { id: 2, note: 'b' },
    ])
  })

  test('every file in a zip archive is read, folders and what a desktop keeps are not; rejects say which it was', async () => {
    const bytes = zipOf({
      'b/two.csv': 'id,note\n2,b\nx,bad\n',
      'one.csv': 'id,note\n1,a\n',
      'b/': '',
      '__MACOSX/one.csv': 'id,note\n9,no\n',
      '.DS_Store': 'x',
    })

    expect(await refinePacked({ 'drop.zip': bytes }, 'zip')).toMatchObject({
      balance: { in: 3, out: 2, rejected: 1 },
    })
    expect(await refinery.rowsOf('orders', 'id', 'id')).toEqual([{ id: 1 }, { id: 2 }])
    expect(await refinery.rowsOf('_rejects/orders', 'ALL', 'file')).toEqual([{ file: 'drop.zip/b/two.csv' }])
  })

  test.each([
    ['a gzip file that is cut', 'gzip', gzipSync('id,note\n'.repeat(1000)).subarray(0, 30), 'unexpected end'],
    ['a gzip file with a bit turned over', 'gzip', turned(gzipSync('id,note\n1,a\n'), -6), 'incorrect data check'],
    ['a zip archive that is cut', 'zip', zipOf({ 'a.csv': 'id\n1\n' }).subarray(0, 40), 'End of central directory'],
    ['an archive without a file', 'zip', zipOf({ 'b/': '' }), 'one without any'],
    [
      'a member with another checksum',
      'zip',
      zipOf({ 'a.csv': 'id\n1\n' }, (sizes) => sizes.writeUInt32LE(7)),
      'checksum',
    ],
  ] as const)('%s is told, for good', async (_what, compression, bytes, words) => {
    await expect(refinePacked({ 'a.bin': bytes }, compression)).rejects.toMatchObject({
      code: 'REFINE_FILE_NOT_UNPACKED',
      retryable: false,
      message: expect.stringContaining(words),
    })
  })

  test('an archive that is one document is told for what it is', async () => {
    const text = zipOf({ 'word/document.xml': '<document/>', '[Content_Types].xml': '<Types/>' })

    await expect(refinePacked({ 'a.docx': text }, 'zip')).rejects.toMatchObject({
      code: 'REFINE_FILE_FORMAT',
      message: expect.stringContaining(
        '[file=a.docx]: expected CSV, JSON, NDJSON, Parquet, XLSX or XML, plain or packed with gzip, zip or zstd, got a Word document',
      ),
    })
  })

  test('the bytes in raw stay packed', async () => {
    const bytes = gzipSync('id,note\n1,a\n')

    await refinePacked({ 'a.csv.gz': bytes }, 'gzip')

    const hash = createHash('sha256')
    for await (const block of refinery.lake.read('raw/shop/files/shop/orders/2026-03-01.g1/a.csv.gz'))
      hash.update(block)
    expect(hash.digest('hex')).toBe(createHash('sha256').update(bytes).digest('hex'))
  })
})

function turned(bytes: Buffer, at: number): Buffer {
  const index = at < 0 ? bytes.length + at : at
  bytes[index] = (bytes[index] ?? 0) ^ 1
  return bytes
}
