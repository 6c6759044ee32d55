import { createReadStream } from 'node:fs'
import { appendFile, chmod, mkdir, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CancelledError, sha256 } from '@cinelake/core'
import { landObject } from '@cinelake/lake'
import { temporaryDirectory } from '@cinelake/testkit'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { aFilesSource, drop, givenAgent, type Agent } from './source-files.fixture.ts'
import { readUnchanging } from './places/read-unchanging.ts'

let stack: AsyncDisposableStack
let folder: string
beforeEach(async () => {
  stack = new AsyncDisposableStack()
  folder = stack.use(await temporaryDirectory()).path
})
afterEach(() => stack.disposeAsync())

async function given(
  fields: Omit<Parameters<typeof aFilesSource>[0], 'path'> & { path?: string } = {},
): Promise<Agent> {
  return stack.use(await givenAgent({ sources: [aFilesSource({ path: folder, ...fields })] }))
}

describe('the files of a window', () => {
  test('land byte for byte under the names that they came with', async () => {
    const bytes = Uint8Array.from({ length: 1_000_000 }, (_, i) => (i * 31) % 256)
    await drop(folder, {
      'titles_20260301.csv': bytes,
      'titles_20260301 (Nachtrag) – été.csv': 'id\r\n1\r\n',
      'titles_20260302.csv': 'tomorrow',
      'readme.txt': 'no',
    })
    const agent = await given()

    const outcome = await agent.ingest()

    expect(outcome).toMatchObject({
      balance: { unit: 'files', in: 2, out: 2, rejected: 0, duplicates: 0 },
      output: { kind: 'landed', fileCount: 2, sizeBytes: 1_000_007 },
    })
    expect(outcome.output).not.toHaveProperty('rowCount')
    const manifest = await agent.manifest('ingest catalogue/titles')
    expect(manifest?.files).toMatchObject([
      {
        path: 'raw/shop/files/catalogue/titles/2026-03-01/titles_20260301 (Nachtrag) – été.csv',
        name: 'titles_20260301 (Nachtrag) – été.csv',
        sizeBytes: 7,
        sha256: sha256('id\r\n1\r\n'),
      },
      {
        path: 'raw/shop/files/catalogue/titles/2026-03-01/titles_20260301.csv',
        name: 'titles_20260301.csv',
        sizeBytes: 1_000_000,
        sha256: sha256(bytes),
      },
    ])
    expect(agent.landedBytes('raw/shop/files/catalogue/titles/2026-03-01/titles_20260301.csv').equals(bytes)).toBe(true)
  })

  test('are found in folders below, whose names may hold the time', async () => {
    await drop(folder, {
      'berlin/2026-03-01/a.csv': '1',
      'paris/2026-03-01/a.csv': '2',
      'paris/2026-03-02/a.csv': '3',
      '.trash/2026-03-01/a.csv': '4',
    })
    const agent = await given({ files: '*/{yyyy}-{MM}-{dd}/*.csv' })

    await agent.ingest()

    const manifest = await agent.manifest('ingest catalogue/titles')
    expect(manifest?.files.map(({ name }) => name)).toEqual(['berlin/2026-03-01/a.csv', 'paris/2026-03-01/a.csv'])
  })

  test('are the files as they are now where names hold no time', async () => {
    await drop(folder, { 'titles.csv': 'now' })
    const agent = await given({ files: 'titles.csv' })

    await agent.ingest({ label: '2026-03-01' })
    await agent.ingest({ label: '2026-03-02' })

    expect((await agent.pathsInRaw()).filter((path) => path.endsWith('.csv'))).toEqual([
      'raw/shop/files/catalogue/titles/2026-03-01/titles.csv',
      'raw/shop/files/catalogue/titles/2026-03-02/titles.csv',
    ])
  })

  test('an empty file lands as an empty file', async () => {
    await drop(folder, { 'titles_20260301.csv': '' })
    const agent = await given()

    expect(await agent.ingest()).toMatchObject({ output: { fileCount: 1, sizeBytes: 0 } })
  })

  test('a name with an impossible date is left out and logged', async () => {
    await drop(folder, { 'titles_20260231.csv': 'x', 'titles_20260301.csv': 'y' })
    const agent = await given()

    await agent.ingest()

    expect(agent.log.lines).toContainEqual(
      expect.objectContaining({ level: 'warn', message: expect.stringContaining('there is no day 2026-02-31') }),
    )
  })

  test('a folder that is a setting is filled in on this machine', async () => {
    await drop(folder, { 'titles_20260301.csv': 'x' })
    const agent = stack.use(
      await givenAgent({ sources: [aFilesSource({ path: '${DROP:-/nowhere}' })], settings: { DROP: folder } }),
    )

    expect(await agent.ingest()).toMatchObject({ output: { fileCount: 1 } })
  })
})

describe('the same task again', () => {
  test('reports what landed, and rewrites nothing, whatever the folder holds by now', async () => {
    await drop(folder, { 'titles_20260301.csv': 'first' })
    const agent = await given()
    const first = await agent.ingest()
    await drop(folder, { 'titles_20260301.csv': 'second', 'titles_20260301b.csv': 'more' })

    const again = await agent.ingest({ attempt: 2 })

    expect(again).toEqual(first)
    expect(agent.landedBytes('raw/shop/files/catalogue/titles/2026-03-01/titles_20260301.csv').toString()).toBe('first')
    expect(await agent.pathsInRaw()).toHaveLength(2)
  })

  test('two at once: one manifest wins, both report it, and the files in it are those in the lake', async () => {
    await drop(
      folder,
      Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`titles_20260301_${i}.csv`, `row ${i}`])),
    )
    const agent = await given()

    const outcomes = await Promise.all([agent.ingest(), agent.ingest(), agent.ingest()])

    expect(outcomes[1]).toEqual(outcomes[0])
    expect(outcomes[2]).toEqual(outcomes[0])
    const manifest = await agent.manifest('ingest catalogue/titles')
    for (const file of manifest?.files ?? []) expect(sha256(agent.landedBytes(file.path))).toBe(file.sha256)
  })

  test('an attempt that brings other bytes never replaces those that a manifest names', async () => {
    const agent = await given()
    const land = async (text: string) =>
      await landObject(agent.lake, 'raw/files/a/b/2026-03-01/x.csv', async function* () {
        yield Buffer.from(text)
      })

    const first = await land('early')
    const late = await land('late')

    expect(first.path).toBe('raw/files/a/b/2026-03-01/x.csv')
    expect(late.path).toBe(`raw/files/a/b/2026-03-01/${sha256('late').slice(0, 16)}/x.csv`)
    expect(agent.landedBytes(first.path).toString()).toBe('early')
    expect(agent.landedBytes(late.path).toString()).toBe('late')
    expect(await land('late')).toEqual(late)
  })

  test('after a crash between files and manifest the next attempt lands the same', async () => {
    await drop(folder, { 'titles_20260301.csv': 'x' })
    const agent = await given()
    const path = 'raw/shop/files/catalogue/titles/2026-03-01/titles_20260301.csv'
    await landObject(agent.lake, path, () => createReadStream(join(folder, 'titles_20260301.csv')))

    await agent.ingest()

    expect((await agent.manifest('ingest catalogue/titles'))?.files.map((file) => file.path)).toEqual([path])
  })

  test('a deliberate re-run lands beside the first', async () => {
    await drop(folder, { 'titles_20260301.csv': 'first' })
    const agent = await given()
    await agent.ingest()
    await drop(folder, { 'titles_20260301.csv': 'corrected' })

    await agent.ingest({ generation: 2 })

    const manifest = await agent.manifest('ingest catalogue/titles', { generation: 2 })
    expect(manifest?.files[0]?.path).toBe('raw/shop/files/catalogue/titles/2026-03-01.g2/titles_20260301.csv')
    expect(agent.landedBytes('raw/shop/files/catalogue/titles/2026-03-01/titles_20260301.csv').toString()).toBe('first')
  })
})

describe('what goes wrong', () => {
  test('no file came: the task may be tried again, and nothing is landed', async () => {
    const agent = await given()

    await expect(agent.ingest()).rejects.toMatchObject({
      code: 'FILES_MISSING',
      retryable: true,
      message: expect.stringMatching(/titles_\{yyyy\}\{MM\}\{dd\}\*\.csv below .*put it there.*whenMissing: skip/),
    })
    expect(await agent.manifest('ingest catalogue/titles')).toBeUndefined()
  })

  test('no file came, and that is allowed: nothing new in the window', async () => {
    const agent = await given({ whenMissing: 'skip' })

    expect(await agent.ingest()).toMatchObject({ balance: { in: 0, out: 0 }, output: { fileCount: 0 } })
    expect((await agent.manifest('ingest catalogue/titles'))?.files).toEqual([])
  })

  test('a folder that is not there, and one that is a file, are named with what to do', async () => {
    await writeFile(join(folder, 'file'), '')
    const missing = await given({ path: join(folder, 'gone') })
    const file = await given({ path: join(folder, 'file') })

    await expect(missing.ingest()).rejects.toMatchObject({
      code: 'FILES_FOLDER_UNUSABLE',
      retryable: false,
      message: expect.stringMatching(/folder=.*gone.*got nothing of that name; correct the source's `path`, or mount/),
    })
    await expect(file.ingest()).rejects.toMatchObject({
      code: 'FILES_FOLDER_UNUSABLE',
      message: expect.stringContaining('got a file'),
    })
  })

  test.skipIf(process.getuid?.() === 0)(
    'a folder and a file that may not be read are named (needs a user other than root)',
    async () => {
      await drop(folder, { 'titles_20260301.csv': 'x' })
      const agent = await given()

      await chmod(join(folder, 'titles_20260301.csv'), 0o000)
      await expect(agent.ingest()).rejects.toMatchObject({ code: 'FILES_FILE_FORBIDDEN', retryable: false })
      await chmod(folder, 0o000)
      await expect(agent.ingest()).rejects.toMatchObject({ code: 'FILES_FOLDER_UNUSABLE', retryable: false })
      await chmod(folder, 0o700)
    },
  )

  test('a link that leads out of the folder is refused, one that stays in is followed', async () => {
    await using outside = await temporaryDirectory()
    await drop(outside.path, { 'passwd.csv': 'secret' })
    await drop(folder, { 'store/a.csv': 'inside' })
    await symlink(join(folder, 'store', 'a.csv'), join(folder, 'titles_20260301.csv'))
    const agent = await given()
    expect(await agent.ingest()).toMatchObject({ output: { fileCount: 1, sizeBytes: 6 } })

    await symlink(join(outside.path, 'passwd.csv'), join(folder, 'titles_20260302.csv'))
    await expect(agent.ingest({ label: '2026-03-02' })).rejects.toMatchObject({
      code: 'FILES_OUTSIDE_SOURCE',
      retryable: false,
    })
  })

  test('a linked folder that leads out is refused, also by a sibling whose name begins the same', async () => {
    await mkdir(join(folder, 'in'))
    await drop(join(folder, 'in-side'), { 'a_20260301.csv': 'x' })
    await symlink(join(folder, 'in-side'), join(folder, 'in', 'link'))
    const agent = await given({ path: join(folder, 'in'), files: '*/a_{yyyy}{MM}{dd}.csv' })

    await expect(agent.ingest()).rejects.toMatchObject({ code: 'FILES_OUTSIDE_SOURCE' })
  })

  test('a circle of links ends', async () => {
    await drop(folder, { 'a/titles_20260301.csv': 'x' })
    await symlink(folder, join(folder, 'a', 'up'))
    const agent = await given({ files: '**/titles_{yyyy}{MM}{dd}.csv' })

    expect(await agent.ingest()).toMatchObject({ output: { fileCount: 1 } })
  })

  test('work that is told to stop lands nothing', async () => {
    await drop(folder, { 'titles_20260301.csv': 'x' })
    const agent = await given()

    await expect(agent.ingest({}, AbortSignal.abort())).rejects.toBeInstanceOf(CancelledError)
    expect(await agent.pathsInRaw()).toEqual([])
  })

  test('a command for something that the pipeline does not have is terminal', async () => {
    const agent = await given()

    await expect(agent.ingest({ dataset: 'credits' })).rejects.toMatchObject({
      code: 'INGEST_COMMAND_UNKNOWN',
      retryable: false,
    })
  })
})

describe('a file that changes while it is read', () => {
  const large = Buffer.alloc(600_000, 'x')
  const name = 'titles_20260301.csv'

  test.each([
    ['grows', 'its size went from 600000 to 600005 bytes', () => appendFile(join(folder, name), 'more\n')],
    ['is touched', 'it was written to', () => utimes(join(folder, name), new Date(), new Date(Date.now() + 1000))],
    ['is removed', 'it was removed', () => rm(join(folder, name))],
    [
      'is replaced',
      'it was replaced',
      async () => {
        await rm(join(folder, name))
        await drop(folder, { [name]: large })
      },
    ],
    ['is cut', 'its size went from 600000 to 300 bytes', () => writeFile(join(folder, name), 'y'.repeat(300))],
  ])('fails when it %s: %s, and is not visible in the lake', async (_, change, meddle) => {
    await drop(folder, { [name]: large })
    const agent = await given()
    let isFirst = true
    const reading = async function* () {
      for await (const block of readUnchanging({ name, file: join(folder, name) }, { source: 'catalogue' })) {
        yield block
        if (isFirst) await meddle()
        isFirst = false
      }
    }

    await expect(landObject(agent.lake, 'raw/x.csv', reading)).rejects.toMatchObject({
      code: 'FILES_FILE_CHANGED',
      retryable: true,
      message: expect.stringContaining(change),
    })
    expect(await agent.lake.stat('raw/x.csv')).toBeUndefined()
  })
})
