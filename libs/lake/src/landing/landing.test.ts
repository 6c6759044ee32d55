import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { sha256, silentLog, systemClock } from '@cinelake/core'
import { aCommandHeader, temporaryDirectory } from '@cinelake/testkit'
import type { Ingest, Manifest } from '@cinelake/contracts'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createDirectoryLake } from '../directory/lake.ts'
import type { Lake } from '../lake.ts'
import {
  commitManifest,
  landObject,
  landOnce,
  manifestOf,
  outcomeOf,
  readManifest,
  windowFolder,
  type Landed,
} from './landing.ts'

let stack: AsyncDisposableStack
let lake: Lake
let directory: string
beforeEach(async () => {
  stack = new AsyncDisposableStack()
  directory = stack.use(await temporaryDirectory()).path
  lake = stack.use(await createDirectoryLake(directory))
})
afterEach(() => stack.disposeAsync())

const command: Ingest = {
  ...aCommandHeader({ task: 'ingest crm/users' }),
  kind: 'ingest',
  source: 'crm',
  dataset: 'users',
  since: null,
}
const bytesOf = (text: string) =>
  async function* () {
    yield Buffer.from(text)
  }
const aManifest = (fields: Partial<Manifest> = {}): Manifest => {
  const { run, task, generation, source, dataset, window } = command
  return { version: 1, run, task, generation, source, dataset, window, format: 'csv', files: [], ...fields }
}

describe('the manifest', () => {
  const path = manifestOf(command)

  test('is named by pipeline, window and task, and by generation when the window is run again', () => {
    expect(path).toBe('raw/_landed/shop/2026-03-01/ingest-crm.users.json')
    expect(manifestOf({ ...command, generation: 2, attempt: 9 })).toBe(
      'raw/_landed/shop/2026-03-01/ingest-crm.users.g2.json',
    )
    expect([windowFolder(command), windowFolder({ ...command, generation: 2 })]).toEqual([
      '2026-03-01',
      '2026-03-01.g2',
    ])
  })

  test('of many committed at once is one, and everybody learns which', async () => {
    const committed = await Promise.all(
      Array.from({ length: 20 }, (_, n) => commitManifest(lake, path, aManifest({ rowCount: n }))),
    )

    expect(new Set(committed.map(({ rowCount }) => rowCount)).size).toBe(1)
    expect(await readManifest(lake, path)).toEqual(committed[0])
  })

  test('that is not there is undefined, one that is damaged is told', async () => {
    expect(await readManifest(lake, path)).toBeUndefined()
    await lake.put('cut.json', JSON.stringify(aManifest()).slice(0, 40))
    await lake.put('old.json', JSON.stringify({ ...aManifest(), version: 0 }))

    await expect(readManifest(lake, 'cut.json')).rejects.toMatchObject({
      code: 'LAKE_MANIFEST_CORRUPT',
      retryable: false,
    })
    await expect(readManifest(lake, 'old.json')).rejects.toMatchObject({
      message: expect.stringContaining('differs at version'),
    })
  })

  test('is reported in rows where they were counted, else in files', () => {
    const file = { path: 'raw/x', name: 'x', sizeBytes: 5, sha256: sha256('') }

    expect(outcomeOf(aManifest({ files: [file, file] }), path)).toMatchObject({
      balance: { unit: 'files', in: 2, out: 2 },
      output: { fileCount: 2, sizeBytes: 10 },
    })
    expect(outcomeOf(aManifest({ files: [file], rowCount: 7 }), path)).toMatchObject({
      balance: { unit: 'rows', in: 7, out: 7 },
      output: { rowCount: 7 },
    })
  })
})

describe('an ingest', () => {
  const file = { path: 'raw/x', name: 'x', sizeBytes: 5, sha256: sha256('') }
  const landed: Landed = { format: 'csv', files: [file], rowCount: 7 }
  const { signal } = new AbortController()
  const ingest = async (land: () => Promise<Landed>) =>
    await landOnce({ lake, clock: systemClock, log: silentLog }, command, { signal }, land)

  test('lands once: a second attempt reports what the first landed, and lands nothing', async () => {
    const first = await ingest(() => Promise.resolve(landed))

    expect(await ingest(() => Promise.reject(new Error('not needed')))).toEqual(first)
    expect(first).toMatchObject({ balance: { in: 7, out: 7 }, output: { manifest: manifestOf(command) } })
  })

  test('of two at once, the slower reports what the faster landed, though it stumbled over what that cleared away', async () => {
    const slower = ingest(async () => {
      await ingest(() => Promise.resolve(landed))
      throw new Error('the page that was landed so far is not there')
    })

    expect(await slower).toMatchObject({ balance: { in: 7, out: 7 }, output: { fileCount: 1 } })
  })

  test('that fails, with nobody else about, fails', async () => {
    await expect(ingest(() => Promise.reject(new Error('the server is away')))).rejects.toThrow('the server is away')
    expect(await readManifest(lake, manifestOf(command))).toBeUndefined()
  })
})

describe('an object in raw', () => {
  test('of many landed at once, each is whole and none is replaced', async () => {
    const landed = await Promise.all(
      Array.from({ length: 20 }, (_, n) => landObject(lake, 'raw/a/x.csv', bytesOf(`attempt ${n % 3}`))),
    )

    for (const { path, sha256: digest } of landed) expect(sha256(readFileSync(join(directory, path)))).toBe(digest)
    expect(new Set(landed.map(({ path }) => path)).size).toBe(3)
  })

  test('that gives other bytes each time it is read is not landed under a name that lies', async () => {
    await landObject(lake, 'raw/a/x.csv', bytesOf('first'))
    let reading = 0

    await expect(landObject(lake, 'raw/a/x.csv', () => bytesOf(`other ${(reading += 1)}`)())).rejects.toMatchObject({
      code: 'LAKE_LANDING_CHANGED',
      retryable: true,
    })

    const paths = []
    for await (const { path } of lake.list('raw')) paths.push(path)
    expect(paths).toEqual(['raw/a/x.csv'])
  })

  test('whose source fails is nowhere', async () => {
    const failing = async function* () {
      yield Buffer.from('half')
      throw new Error('cut')
    }

    await expect(landObject(lake, 'raw/a/x.csv', failing)).rejects.toThrow('cut')
    expect(await lake.stat('raw/a/x.csv')).toBeUndefined()
  })
})
