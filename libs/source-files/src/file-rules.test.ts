import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { chmod, cp, readdir, readFile, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { sha256 } from '@cinelake/core'
import { temporaryDirectory } from '@cinelake/testkit'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { aFilesSource, drop, givenAgent, type Agent } from './source-files.fixture.ts'

const TASK = 'ingest catalogue/titles'
/** Later than any file of a test could have been made, by the agent's fixed clock's day or not. */
const at = (day: string) => new Date(`${day}T12:00:00Z`)

let stack: AsyncDisposableStack
let folder: string
beforeEach(async () => {
  stack = new AsyncDisposableStack()
  folder = stack.use(await temporaryDirectory()).path
})
afterEach(() => stack.disposeAsync())

async function given(rules: Partial<Parameters<typeof aFilesSource>[0]> = {}): Promise<Agent> {
  return stack.use(await givenAgent({ sources: [aFilesSource({ path: folder, ...rules })] }))
}
const landedNames = async (agent: Agent, label: string, generation = 1) =>
  (await agent.manifest(TASK, { label, generation }))?.files.map(({ name }) => name)

/** Runs as somebody whom permissions apply to; the tests may run as root. */
async function withoutPrivileges<T>(run: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return await run()
  process.seteuid?.(65_534)
  try {
    return await run()
  } finally {
    process.seteuid?.(0)
  }
}

describe('a file that is not as it should be', () => {
  const GOOD = 'titles_20260301_good.csv'

  test.each([
    ['fails the task', undefined, { code: 'FILES_FILE_CHANGED' }],
    ['is left out where the dataset says so', 'skip' as const, { rejects: { file_unstable: 1 } }],
  ])('one that is written to after it was found at rest, while others land, %s', async (_what, unstable, outcome) => {
    const second = 'titles_20260301_second.csv'
    await drop(folder, { [GOOD]: 'x', [second]: 'y' })
    const agent = await given({ restMs: 5, ...(unstable && { onProblem: { unstable } }) })
    const write = () => writeFileSync(join(folder, second), 'half of what is to c')

    expect(await agent.ingest({}, undefined, write).catch((error: unknown) => error)).toMatchObject(outcome)
  })
  const BAD = 'titles_20260301_bad.csv'
  const problems = {
    empty: { rules: {}, make: () => drop(folder, { [BAD]: '' }), reason: 'empty', code: 'FILES_FILE_EMPTY' },
    'without its marker': {
      rules: { marker: '{name}.done' },
      make: () => drop(folder, { [BAD]: 'x', [`${GOOD}.done`]: '' }),
      reason: 'unstable',
      code: 'FILES_FILE_UNSTABLE',
    },
    'still being written': {
      rules: { restMs: 150 },
      make: async () => {
        await drop(folder, { [BAD]: 'x' })
        const writing = setInterval(() => void writeFile(join(folder, BAD), 'x', { flag: 'a' }).catch(() => {}), 5)
        stack.defer(() => clearInterval(writing))
      },
      reason: 'unstable',
      code: 'FILES_FILE_UNSTABLE',
    },
  } as const

  for (const [what, { rules, make, reason, code }] of Object.entries(problems)) {
    const kind = reason === 'empty' ? 'empty' : 'unstable'

    test(`${what}: fails, is tried again, and lands nothing, where that is asked for`, async () => {
      await drop(folder, { [GOOD]: 'x' })
      await make()
      const agent = await given({ ...rules, onProblem: { [kind]: 'fail' } })

      await expect(agent.ingest()).rejects.toMatchObject({
        code,
        retryable: true,
        message: expect.stringContaining(`name=${BAD}`),
      })
      expect(await agent.manifest(TASK)).toBeUndefined()
    })

    test(`${what}: is skipped and reported, where that is asked for`, async () => {
      await drop(folder, { [GOOD]: 'x' })
      await make()
      const agent = await given({ ...rules, onProblem: { [kind]: 'skip' } })

      expect(await agent.ingest()).toMatchObject({
        balance: { unit: 'files', in: 2, out: 1, rejected: 1, duplicates: 0 },
        rejects: { [`file_${reason}`]: 1 },
        quality: [{ rule: `file_${reason}`, severity: 'warn', failed: 1, detail: expect.stringContaining(BAD) }],
      })
      expect(await agent.manifest(TASK)).toMatchObject({ files: [{ name: GOOD }], leftOut: [{ name: BAD, reason }] })
    })
  }

  const misnamed = [
    'titles_20260301_new\nline.csv',
    'titles_20260301_back\\slash.csv',
    'titles_20260301_\u{1b}[31m.csv',
    `titles_20260301_${'x'.repeat(235)}.csv`.slice(0, 255),
    'titles_20260301.',
    Buffer.from('titles_20260301_\xe9.csv', 'latin1'),
  ]

  test('misnamed: is told with what to do, and the others land', async () => {
    await drop(folder, { [GOOD]: 'x' })
    for (const name of misnamed) writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(name)]), 'y')
    // As long as a name may be, and longer as a path than the lake's may.
    const deep = Array.from({ length: 5 }, () => 'd'.repeat(200)).join('/')
    await drop(folder, { [`${deep}/titles_20260301.csv`]: 'z' })
    const agent = await given({ files: '**/titles_{yyyy}{MM}{dd}*' })

    const outcome = await agent.ingest()

    const leftOut = (await agent.manifest(TASK))?.leftOut ?? []
    expect(leftOut.map(({ reason }) => reason)).toEqual(leftOut.map(() => 'misnamed'))
    expect(leftOut.map(({ name }) => name).toSorted()).toEqual(
      [
        ...misnamed.filter((name) => !String(name).includes('xxx')).map(String),
        `${deep}/titles_20260301.csv`,
      ].toSorted(),
    )
    expect(leftOut.every(({ problem }) => problem?.endsWith('; rename it'))).toBe(true)
    expect(outcome).toMatchObject({ balance: { in: 8, out: 2, rejected: 6 }, rejects: { file_misnamed: 6 } })
    const [finding] = outcome.quality ?? []
    expect(finding).toMatchObject({ rule: 'file_misnamed', severity: 'warn', failed: 6 })
    expect(finding?.detail).toMatch(/^[^\p{Cc}]*rename it[^\p{Cc}]*$/u)
  })

  test('misnamed: fails the task where that is asked for', async () => {
    await drop(folder, { [GOOD]: 'x' })
    writeFileSync(join(folder, 'titles_20260301_new\nline.csv'), 'y')
    const agent = await given({ onProblem: { misnamed: 'fail' } })

    await expect(agent.ingest()).rejects.toMatchObject({
      code: 'FILES_FILE_MISNAMED',
      retryable: false,
      message: expect.stringMatching(/name="titles_20260301_new\\nline\.csv".*rename it/),
    })
  })

  test('a pipe, a socket or a folder with the name of a file is passed over, and a pipe is told', async () => {
    await drop(folder, { [GOOD]: 'x', 'titles_20260301_folder.csv/other.txt': 'y' })
    execFileSync('mkfifo', [join(folder, 'titles_20260301_pipe.csv')])
    const agent = await given()

    await agent.ingest()

    expect(await landedNames(agent, '2026-03-01')).toEqual([GOOD])
    expect(JSON.stringify(agent.log.lines)).toContain('titles_20260301_pipe.csv')
  })

  test('a link that leads out of the folder is left out as one that may not be read, where that is asked for', async () => {
    const elsewhere = stack.use(await temporaryDirectory()).path
    await drop(elsewhere, { secret: 'x' })
    await drop(folder, { [GOOD]: 'x' })
    await symlink(join(elsewhere, 'secret'), join(folder, BAD))
    const agent = await given({ onProblem: { forbidden: 'skip' } })

    expect(await agent.ingest()).toMatchObject({ rejects: { file_forbidden: 1 } })
    expect(await landedNames(agent, '2026-03-01')).toEqual([GOOD])
  })

  test('forbidden: is skipped and reported, or fails the task', async () => {
    const outer = stack.use(await temporaryDirectory()).path
    await chmod(outer, 0o755)
    folder = join(outer, 'drop')
    await drop(folder, { [GOOD]: 'x', [BAD]: 'x' })
    await chmod(join(folder, BAD), 0o000)
    const skipping = await given({ onProblem: { forbidden: 'skip' } })
    const failing = await given()
    for (const agent of [skipping, failing]) await chmodAll(agent.directory)

    expect(await withoutPrivileges(() => skipping.ingest())).toMatchObject({
      balance: { in: 2, out: 1, rejected: 1 },
      quality: [{ rule: 'file_forbidden', detail: expect.stringContaining(BAD) }],
    })
    await expect(withoutPrivileges(() => failing.ingest())).rejects.toMatchObject({ code: 'FILES_FILE_FORBIDDEN' })
  })

  test('a drop of which all was skipped has come: it is no missing one', async () => {
    await drop(folder, { [BAD]: '' })
    const agent = await given({ onProblem: { empty: 'skip' } })

    expect(await agent.ingest()).toMatchObject({ balance: { in: 1, out: 0, rejected: 1 }, output: { fileCount: 0 } })
  })

  test('a file whose marker is there lands, the marker does not, whatever the pattern', async () => {
    await drop(folder, { 'a.csv': 'x', 'a.csv.done': '', 'b.csv': 'y', 'b.ok': '' })

    const byName = await given({ files: '*', marker: '{name}.done', onProblem: { unstable: 'skip' } })
    await byName.ingest()
    expect((await byName.manifest(TASK))?.files.map(({ name }) => name)).toEqual(['a.csv'])

    const byStem = await given({ files: '*.csv', marker: '{stem}.ok', onProblem: { unstable: 'skip' } })
    await byStem.ingest()
    expect(await landedNames(byStem, '2026-03-01')).toEqual(['b.csv'])
  })

  test('a file that came to rest lands', async () => {
    await drop(folder, { [GOOD]: 'x' })
    const agent = await given({ restMs: 50 })

    expect(await agent.ingest()).toMatchObject({ output: { fileCount: 1 } })
  })
})

describe('the window of a file', () => {
  test('is that of its last write, where that is asked for', async () => {
    await drop(folder, { 'a.csv': '1', 'b.csv': '2' })
    await utimes(join(folder, 'a.csv'), at('2026-03-01'), at('2026-03-01'))
    await utimes(join(folder, 'b.csv'), at('2026-03-02'), at('2026-03-02'))
    const agent = await given({ files: '*.csv', windowFrom: 'modified' })

    await agent.ingest({ label: '2026-03-01' })
    await agent.ingest({ label: '2026-03-02' })

    expect(await landedNames(agent, '2026-03-01')).toEqual(['a.csv'])
    expect(await landedNames(agent, '2026-03-02')).toEqual(['b.csv'])
  })

  test('is that in which it came into the folder, whatever time it brought along', async () => {
    await drop(folder, { 'a.csv': '1' })
    await utimes(join(folder, 'a.csv'), at('2020-01-01'), at('2020-01-01'))
    // In the time zone of the pipeline.
    const today = new Intl.DateTimeFormat('sv-SE', { timeZone: 'Europe/Berlin' }).format(
      (await stat(join(folder, 'a.csv'))).ctime,
    )
    const agent = await given({ files: '*.csv', windowFrom: 'arrival', whenMissing: 'skip' })

    await agent.ingest({ label: today })
    await agent.ingest({ label: '2020-01-01' })

    expect(await landedNames(agent, today)).toEqual(['a.csv'])
    expect(await landedNames(agent, '2020-01-01')).toEqual([])
  })
})

describe('a late file', () => {
  test('is reported with its window, until that is run again', async () => {
    await drop(folder, { 'titles_20260301.csv': 'x', 'titles_20260302.csv': 'y' })
    const agent = await given()
    await agent.ingest({ label: '2026-03-01' })
    await drop(folder, { 'titles_20260301_late.csv': 'z' })

    expect(await agent.ingest({ label: '2026-03-02' })).toMatchObject({
      balance: { in: 1, out: 1 },
      quality: [
        { rule: 'file_late', failed: 1, detail: expect.stringMatching(/titles_20260301_late.csv.*2026-03-01$/) },
      ],
    })
    await agent.ingest({ label: '2026-03-01', generation: 2 })
    await drop(folder, { 'titles_20260303.csv': 'y' })

    expect((await agent.ingest({ label: '2026-03-03' })).quality).toEqual([])
    expect(await landedNames(agent, '2026-03-01', 2)).toEqual(['titles_20260301.csv', 'titles_20260301_late.csv'])
  })

  test('is also a new version of one that landed; one that was only touched is none', async () => {
    await drop(folder, { 'titles_20260301.csv': 'x', 'titles_20260301b.csv': 'same', 'titles_20260302.csv': 'y' })
    const agent = await given()
    await agent.ingest({ label: '2026-03-01' })
    await drop(folder, { 'titles_20260301.csv': 'X' })
    await utimes(join(folder, 'titles_20260301.csv'), at('2026-03-02'), at('2026-03-02'))
    await utimes(join(folder, 'titles_20260301b.csv'), at('2026-03-02'), at('2026-03-02'))

    await agent.ingest({ label: '2026-03-02' })

    expect((await agent.manifest(TASK, { label: '2026-03-02' }))?.late).toEqual([
      { name: 'titles_20260301.csv', window: '2026-03-01' },
    ])
  })

  test('of a window that was not ingested is not late: its own run takes it', async () => {
    await drop(folder, { 'titles_20260301.csv': 'x', 'titles_20260302.csv': 'y' })
    const agent = await given()

    expect((await agent.ingest({ label: '2026-03-02' })).quality).toEqual([])
  })

  test('lands once with the current window, where that is asked for', async () => {
    await drop(folder, { 'titles_20260301.csv': 'x', 'titles_20260302.csv': 'y' })
    const agent = await given({ once: true, late: 'include' })
    await agent.ingest({ label: '2026-03-01' })
    await drop(folder, { 'titles_20260301_late.csv': 'z', 'titles_20260303.csv': 'w' })

    const second = await agent.ingest({ label: '2026-03-02' })
    const third = await agent.ingest({ label: '2026-03-03' })

    expect(second).toMatchObject({ balance: { in: 2, out: 2 }, quality: [] })
    expect((await agent.manifest(TASK, { label: '2026-03-02' }))?.files).toMatchObject([
      { name: 'titles_20260302.csv' },
      {
        name: 'titles_20260301_late.csv',
        lateFor: '2026-03-01',
        path: 'raw/shop/files/catalogue/titles/2026-03-02/late-2026-03-01/titles_20260301_late.csv',
      },
    ])
    expect(third).toMatchObject({ balance: { in: 1, out: 1, duplicates: 0 } })
  })
})

describe('each file once', () => {
  const rules = { files: '*.csv', once: true, whenMissing: 'skip' } as const

  test('bytes that landed in one window are not landed in another, whatever they are called', async () => {
    await drop(folder, { 'a.csv': 'one' })
    const agent = await given(rules)
    await agent.ingest({ label: '2026-03-01' })
    await rename(join(folder, 'a.csv'), join(folder, 'renamed.csv'))
    await drop(folder, { 'b.csv': 'two', 'copy of b.csv': 'two' })

    expect(await agent.ingest({ label: '2026-03-02' })).toMatchObject({
      balance: { in: 3, out: 1, rejected: 0, duplicates: 2 },
    })
    expect(await landedNames(agent, '2026-03-02')).toEqual(['b.csv'])
  })

  test('a file that changes under its name is a new version, and lands', async () => {
    await drop(folder, { 'a.csv': 'one' })
    const agent = await given(rules)
    await agent.ingest({ label: '2026-03-01' })
    await drop(folder, { 'a.csv': 'two' })

    await agent.ingest({ label: '2026-03-02' })

    const [file] = (await agent.manifest(TASK, { label: '2026-03-02' }))?.files ?? []
    expect(agent.landedBytes(file?.path ?? '').toString()).toBe('two')
  })

  test('nothing new is a drop that is missing', async () => {
    await drop(folder, { 'a.csv': 'one' })
    const agent = await given({ ...rules, whenMissing: 'fail' })
    await agent.ingest({ label: '2026-03-01' })

    await expect(agent.ingest({ label: '2026-03-02' })).rejects.toMatchObject({ code: 'FILES_MISSING' })
  })

  test('a window that is run again lands what it had', async () => {
    await drop(folder, { 'a.csv': 'one' })
    const agent = await given(rules)
    await agent.ingest({ label: '2026-03-01' })

    await agent.ingest({ label: '2026-03-01', generation: 2 })

    expect(await landedNames(agent, '2026-03-01', 2)).toEqual(['a.csv'])
  })

  test('what a window claimed before it died is its own; another leaves it alone, until that one landed without it', async () => {
    await drop(folder, { 'a.csv': 'one' })
    const agent = await given(rules)
    const claim = { version: 1, window: '2026-03-01', task: TASK, name: 'a.csv' }
    await agent.lake.put(`raw/_landed/shop/_files/catalogue.titles/${sha256('one')}.json`, JSON.stringify(claim))

    expect(await agent.ingest({ label: '2026-03-02' })).toMatchObject({ balance: { in: 1, out: 0, duplicates: 1 } })
    await rm(join(folder, 'a.csv'))
    await agent.ingest({ label: '2026-03-01' })
    await drop(folder, { 'a.csv': 'one' })
    expect(await agent.ingest({ label: '2026-03-03' })).toMatchObject({ balance: { in: 1, out: 1 } })
    expect(await agent.ingest({ label: '2026-03-04' })).toMatchObject({ balance: { in: 1, out: 0, duplicates: 1 } })
  })

  test('windows at once, in any order, with files that come meanwhile: each content is in one manifest', async () => {
    const step = fc.record({
      files: fc.dictionary(fc.constantFrom('a.csv', 'b.csv', 'c.csv'), fc.constantFrom('one', 'two', 'three')),
      windows: fc.uniqueArray(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 3 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 4 }), async (steps) => {
        await using own = await temporaryDirectory()
        await using agent = await givenAgent({ sources: [aFilesSource({ ...rules, path: own.path })] })
        const dropped = new Set<string>()
        for (const { files, windows } of steps) {
          await drop(own.path, files)
          for (const content of Object.values(files)) dropped.add(sha256(content))
          await Promise.all(windows.map((day) => agent.ingest({ label: `2026-03-0${day}` })))
        }
        await agent.ingest({ label: '2026-03-09' })

        const landed: string[] = []
        for (let day = 1; day <= 9; day++) {
          const manifest = await agent.manifest(TASK, { label: `2026-03-0${day}` })
          landed.push(...(manifest?.files.map((file) => file.sha256) ?? []))
        }
        expect(new Set(landed).size).toBe(landed.length)
        // Overwritten before anybody looked, a content may never have been seen; what is there at the end has landed.
        for (const name of await readdir(own.path))
          expect(landed).toContain(sha256(await readFile(join(own.path, name))))
        for (const each of landed) expect(dropped).toContain(each)
      }),
      { numRuns: 12 },
    )
  })
})

describe('the ledger of processed files', () => {
  const rules = { files: '*.csv', once: true, whenMissing: 'skip' } as const
  const LEDGER = 'lake/raw/_landed/shop/_files'
  const since = (label: string) => ({ label, since: `${label}T00:00:00+01:00` })

  /** Three windows: with two files, with one, and with none. */
  async function afterThree(): Promise<Agent> {
    const agent = await given(rules)
    await drop(folder, { 'a.csv': 'one', 'b.csv': 'two' })
    await agent.ingest({ label: '2026-03-01' })
    await drop(folder, { 'c.csv': 'three' })
    await agent.ingest(since('2026-03-02'))
    await agent.ingest(since('2026-03-03'))
    return agent
  }

  test('is gone: it is made again from the manifests, nothing lands twice, and it is told', async () => {
    const agent = await afterThree()
    await rm(join(agent.directory, LEDGER), { recursive: true })
    await drop(folder, { 'd.csv': 'four' })

    const outcome = await agent.ingest(since('2026-03-04'))

    expect(outcome).toMatchObject({ balance: { in: 4, out: 1, duplicates: 3 } })
    expect(outcome.quality).toMatchObject([
      { rule: 'file_ledger_lost', severity: 'warn', failed: 3, detail: expect.stringContaining('of 3 windows') },
    ])
    expect(await landedNames(agent, '2026-03-04')).toEqual(['d.csv'])
    expect((await agent.ingest(since('2026-03-05'))).quality).toEqual([])
  })

  test('is an older copy: the same', async () => {
    const agent = await given(rules)
    await drop(folder, { 'a.csv': 'one' })
    await agent.ingest({ label: '2026-03-01' })
    await cp(join(agent.directory, LEDGER), join(agent.directory, 'copy'), { recursive: true })
    await drop(folder, { 'b.csv': 'two' })
    await agent.ingest(since('2026-03-02'))
    await rm(join(agent.directory, LEDGER), { recursive: true })
    await cp(join(agent.directory, 'copy'), join(agent.directory, LEDGER), { recursive: true })

    const outcome = await agent.ingest(since('2026-03-03'))

    expect(outcome.quality).toMatchObject([{ rule: 'file_ledger_lost' }])
    expect(await landedNames(agent, '2026-03-03')).toEqual([])
  })

  test('is gone with the manifests: refused, unless the window is run again on purpose', async () => {
    const agent = await afterThree()
    await rm(join(agent.directory, 'lake/raw/_landed'), { recursive: true })

    await expect(agent.ingest(since('2026-03-04'))).rejects.toMatchObject({
      code: 'RAW_MANIFEST_LOST',
      message: expect.stringContaining('`cinelake run DIR --window 2026-03-04 --again`'),
    })
    const outcome = await agent.ingest({ ...since('2026-03-04'), generation: 2 })
    expect(outcome).toMatchObject({ balance: { out: 3 }, quality: [{ rule: 'file_ledger_lost', failed: 0 }] })
  })
})

describe('after landing', () => {
  const FILE = 'titles_20260301.csv'

  test('files are deleted, with their markers, once the manifest is there', async () => {
    await drop(folder, { [FILE]: 'x', [`${FILE}.done`]: '', 'titles_20260302.csv': 'tomorrow' })
    const agent = await given({ afterLanding: 'delete', marker: '{name}.done' })

    await agent.ingest()

    expect(await readdir(folder)).toEqual(['titles_20260302.csv'])
  })

  test('files are archived, and never over another file; the archive is no source', async () => {
    await drop(folder, { [`sub/${FILE}`]: 'x', [`done/sub/${FILE}`]: 'older' })
    const agent = await given({ files: '**/titles_{yyyy}{MM}{dd}.csv', afterLanding: { archive: 'done' } })

    expect(await agent.ingest()).toMatchObject({ output: { fileCount: 1 } })

    expect((await readdir(join(folder, 'done/sub'))).sort()).toEqual([FILE, `${FILE}.${sha256('x').slice(0, 16)}`])
    expect(await readFile(join(folder, 'done/sub', FILE), 'utf8')).toBe('older')
  })

  test('a link in the archive that leads elsewhere is not followed: the file stays, and that is told', async () => {
    const elsewhere = stack.use(await temporaryDirectory()).path
    await drop(folder, { 'in/titles_20260301.csv': 'x', 'done/keep.txt': 'y' })
    await symlink(elsewhere, join(folder, 'done', 'in'))
    const agent = await given({ files: 'in/titles_{yyyy}{MM}{dd}.csv', afterLanding: { archive: 'done' } })

    expect(await agent.ingest()).toMatchObject({ quality: [{ rule: 'file_not_cleared', failed: 1 }] })
    expect(await readdir(elsewhere)).toEqual([])
    expect(await readFile(join(folder, 'in/titles_20260301.csv'), 'utf8')).toBe('x')
  })

  test('an attempt that died after the manifest is made up for by the next one', async () => {
    await drop(folder, { [FILE]: 'x' })
    const agent = await given({ afterLanding: 'delete' })
    await agent.ingest()
    // As if it had died before it could delete.
    await drop(folder, { [FILE]: 'x' })

    await agent.ingest({ attempt: 2 })

    expect(await readdir(folder)).toEqual([])
  })

  test('a file that was written to since it landed stays', async () => {
    await drop(folder, { [FILE]: 'x' })
    const agent = await given({ afterLanding: 'delete' })
    await agent.ingest()
    await drop(folder, { [FILE]: 'y' })

    await agent.ingest({ attempt: 2 })

    expect(await readFile(join(folder, FILE), 'utf8')).toBe('y')
  })

  test('a file whose size and time are those that landed is not read again', async () => {
    await drop(folder, { [FILE]: 'x' })
    // Most file systems keep more than milliseconds.
    await utimes(join(folder, FILE), 1000.1237, 1000.1237)
    const agent = await given({ afterLanding: 'delete' })
    await agent.ingest()
    await drop(folder, { [FILE]: 'y' })
    await utimes(join(folder, FILE), 1000.1237, 1000.1237)

    await agent.ingest({ attempt: 2 })

    // Were it read, it would be found to be another, and stay.
    expect(await readdir(folder)).toEqual([])
  })

  test('nothing is cleared of a drop that fails', async () => {
    await drop(folder, { [FILE]: 'x', 'titles_20260301b.csv': '' })
    const agent = await given({ afterLanding: 'delete', onProblem: { empty: 'fail' } })

    await expect(agent.ingest()).rejects.toMatchObject({ code: 'FILES_FILE_EMPTY' })

    expect(await readdir(folder)).toHaveLength(2)
  })

  test('a copy of what landed before is cleared as well', async () => {
    await drop(folder, { 'a.csv': 'x' })
    const agent = await given({ files: '*.csv', once: true, afterLanding: 'delete', whenMissing: 'skip' })
    await agent.ingest({ label: '2026-03-01' })
    await drop(folder, { 'b.csv': 'x' })

    await agent.ingest({ label: '2026-03-02' })

    expect(await readdir(folder)).toEqual([])
  })

  test('what cannot be moved is reported, and has landed', async () => {
    await drop(folder, { [FILE]: 'x', done: 'a file where the archive should be' })
    const agent = await given({ afterLanding: { archive: 'done' } })

    expect(await agent.ingest()).toMatchObject({
      output: { fileCount: 1 },
      quality: [{ rule: 'file_not_cleared', failed: 1, detail: expect.stringContaining(FILE) }],
    })
  })

  test('a window that is run again keeps what it has landed and moved away', async () => {
    await drop(folder, { [FILE]: 'x' })
    const agent = await given({ afterLanding: 'delete' })
    await agent.ingest()
    await drop(folder, { 'titles_20260301_late.csv': 'y' })

    await agent.ingest({ generation: 2 })

    expect(await landedNames(agent, '2026-03-01', 2)).toEqual([FILE, 'titles_20260301_late.csv'])
  })
})

test('what is packed lands as it is, and the manifest says so, whatever the name', async () => {
  await drop(folder, { 'a.csv': gzipSync('id\n1\n'), 'b.csv': 'id\n1\n', 'c.csv': Buffer.from('PK\x03\x04…') })
  const agent = await given({ files: '*.csv' })

  await agent.ingest()

  const files = (await agent.manifest(TASK))?.files ?? []
  expect(files.map(({ compression }) => compression)).toEqual(['gzip', undefined, 'zip'])
  expect(agent.landedBytes(files[0]?.path ?? '').equals(gzipSync('id\n1\n'))).toBe(true)
})

/** For those who come without privileges. */
async function chmodAll(directory: string): Promise<void> {
  await chmod(directory, 0o777)
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true })) {
    if (entry.isDirectory()) await chmod(join(entry.parentPath, entry.name), 0o777)
  }
}
