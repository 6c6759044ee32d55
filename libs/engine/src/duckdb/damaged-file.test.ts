import { literal } from '@cinelake/sql'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createDuckDbEngine } from './duckdb.ts'

test.each(['zstd', 'snappy', 'lz4_raw', 'uncompressed'])(
  'a damaged Parquet file (%s) is told as that, wherever the damage is, or read as far as it is whole',
  async (compression) => {
    await using directory = await aDirectory()
    await using engine = await createDuckDbEngine({
      memoryBytes: 200e6,
      threads: 1,
      scratchDirectory: join(directory.path, 'scratch'),
      directories: [directory.path],
    })
    await using session = await engine.session()
    const file = join(directory.path, 'whole.parquet')
    const rows = `SELECT i, md5(i::VARCHAR) AS text, i / 3 AS number, [i, i + 1] AS list FROM range(3000) t(i)`
    await session.run(`COPY (${rows}) TO ${literal(file)} (FORMAT parquet, COMPRESSION ${compression})`)
    const whole = await readFile(file)
    const places = Array.from({ length: 40 }, (_, n) => Math.floor((n * (whole.length - 1)) / 39))
    const damages = [
      ...places.map((place) => whole.subarray(0, place)),
      ...places.map((place) => changed(whole, place, 1)),
      ...places.map((place) => changed(whole, place, 64)),
    ]

    const codes = new Set<unknown>()
    for (const [index, bytes] of damages.entries()) {
      const damaged = join(directory.path, `damaged-${index}.parquet`)
      await writeFile(damaged, bytes)
      const reading = session.rows(`SELECT hash(COLUMNS(*)) FROM read_parquet(${literal(damaged)})`)
      const error = await reading.then(
        () => undefined,
        (thrown: unknown) => thrown as Error & { code: string },
      )
      codes.add(error?.code)
      expect(error?.message ?? '').not.toMatch(/TRY_CAST/)
    }
    expect([...codes].filter((code) => code !== undefined)).toEqual(['ENGINE_FILE_DAMAGED'])
  },
)

/** The same bytes with all bits of some of them turned over. */
function changed(bytes: Buffer, place: number, count: number): Buffer {
  const copy = Buffer.from(bytes)
  for (let i = place; i < Math.min(place + count, copy.length); i += 1) copy[i] = (copy[i] ?? 0) ^ 0xff
  return copy
}

async function aDirectory(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'cinelake-engine-'))
  return { path, [Symbol.asyncDispose]: async () => await rm(path, { recursive: true, force: true }) }
}
