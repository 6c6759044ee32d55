// @module-tag slow: kills processes
import type { SqlEngine } from '@cinelake/engine'
import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import { createDirectoryLake } from '@cinelake/lake/directory'
import { temporaryDirectory } from '@cinelake/testkit'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { aDelivery, commandFor, deliverer, refine, TITLES, WORK } from './given.fixture.ts'

const stack = new AsyncDisposableStack()
let engine: SqlEngine

beforeAll(async () => {
  const scratchDirectory = stack.use(await temporaryDirectory()).path
  engine = stack.use(
    await createDuckDbEngine({ memoryBytes: 256e6, threads: 1, scratchDirectory, directories: [tmpdir()] }),
  )
})
afterAll(async () => await stack.disposeAsync())

/** @returns the signal that ended it */
async function deliverUntil(step: number, root: string, scratch: string, command: unknown): Promise<string | null> {
  const program = join(import.meta.dirname, 'killed.fixture.ts')
  const own = ['--conditions=@cinelake/source', program, root, scratch, String(step), JSON.stringify(command)]
  const child = spawn(process.execPath, own, { stdio: ['ignore', 'ignore', 'inherit'] })
  const [, signal] = (await once(child, 'exit')) as [number | null, string | null]
  return signal
}

/** All files below a folder with their texts. */
async function contentOf(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name))
  const texts = await Promise.all(
    files.map(async (file) => [file.slice(folder.length + 1), await readFile(file, 'utf8')]),
  )
  return Object.fromEntries(texts.toSorted(([one = ''], [other = '']) => (one < other ? -1 : 1))) as Record<
    string,
    string
  >
}

test('killed at any step, a delivery never has a manifest that contradicts its files, and the next attempt ends it without leftovers', async () => {
  await using directory = await temporaryDirectory()
  const root = join(directory.path, 'lake')
  await using lake = await createDirectoryLake(root)
  const tables = [TITLES, { ...TITLES, as: 'again' }]
  const before = await refine(lake, engine, 'titles', `SELECT id::BIGINT AS id, 'old' AS name FROM range(3) AS r(id)`)
  const after = await refine(lake, engine, 'titles', `SELECT id::BIGINT AS id, 'new' AS name FROM range(5) AS r(id)`)
  const reference = join(directory.path, 'reference')
  await deliverer(lake, engine)(await commandFor(lake, aDelivery(reference, { tables }), { titles: after }), WORK)
  const wanted = await contentOf(reference)

  let isKilled = true
  let step = 0
  for (; isKilled; step += 1) {
    const out = join(directory.path, `out-${step}`)
    const deliver = deliverer(lake, engine)
    await deliver(await commandFor(lake, aDelivery(out, { tables }), { titles: before }), WORK)
    const command = await commandFor(lake, aDelivery(out, { tables }), { titles: after })
    isKilled = (await deliverUntil(step + 1, root, join(directory.path, 'scratch'), command)) === 'SIGKILL'

    const seen = await contentOf(out)
    const manifest = seen['partner_2026-03-01.csv.manifest.json']
    const word = manifest === wanted['partner_2026-03-01.csv.manifest.json'] ? 'new' : 'old'
    const told = `${seen['titles_2026-03-01.csv']}${seen['again_2026-03-01.csv']}`
    const isWhole = new RegExp(`^(id,name\n(\\d,${word}\n)+){2}$`).test(told)
    expect(manifest === undefined || isWhole).toBe(true)
    expect(await deliver(command, WORK)).toMatchObject({ balance: { in: 10, out: 10 } })
    expect(await contentOf(out)).toEqual(wanted)
  }
  // The note, the manifest before, two files, the manifest, the note.
  expect(step - 1).toBe(6)
}, 120_000)
