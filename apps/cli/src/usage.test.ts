// @module-tag slow: takes long
import { temporaryDirectory } from '@cinelake/testkit'
import { existsSync } from 'node:fs'
import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SHIPPED_PIPELINE } from './read-folder.ts'
import { aStarter, cinelake } from './testing.fixture.ts'

describe('windows that cannot be run', () => {
  test.each([
    [['--window', '2099-01-01'], /has not begun yet .*window=2099-01-01.*--force/],
    [['--window', '2020-01-01'], /before the first one of the schedule .*expected 2026-03-01 or later.*--force/],
    [['--from', '2026-03-01', '--to', '2099-01-01'], /has not begun yet .*window=2099-01-01/],
    [
      ['--from', '2026-03-01', '--to', '9999-01-01', '--force'],
      /too many windows .*at most 1000.*CINELAKE_MAX_WINDOWS/,
    ],
    [['--from', '0001-01-01', '--to', '9999-01-01', '--force'], /too many windows/],
  ])('%j: rc 2 with why, and no run', async (options, words) => {
    await using given = await aStarter()

    const { exitCode, notes } = await cinelake(['run', given.folder, ...options, '--state', given.state])

    expect({ exitCode, notes }).toEqual({ exitCode: 2, notes: expect.stringMatching(words) })
    expect(existsSync(given.state)).toBe(false)
  })

  test('plan is as strict, and both take them when forced', async () => {
    await using given = await aStarter()
    const plan = async (...options: string[]) => (await cinelake(['plan', given.folder, ...options])).exitCode

    expect(await plan('--window', '2099-01-01')).toBe(2)
    expect(await plan('--window', '2020-01-01')).toBe(2)
    expect(await plan('--window', '2099-01-01', '--force')).toBe(0)
    // No file is of that day, and waiting for one is not what this is about.
    await appendFile(join(given.folder, 'pipeline.yaml'), '\nretry: { attempts: 1 }\n')
    const run = ['run', given.folder, '--window', '2020-01-01', '--force', '--state', given.state]
    expect((await cinelake(run)).out).toContain('starter@2020-01-01')
  })

  test('a window that was not named is told, with why', async () => {
    await using given = await aStarter()
    const yesterday = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10)

    const { notes } = await cinelake(['plan', given.folder])

    expect(notes).toBe(`${yesterday} is the last window that is complete; --window takes another\n`)
    expect((await cinelake(['plan', given.folder, '--window', '2026-03-01'])).notes).toBe('')
  })
})

describe('after a day of the starter pipeline', () => {
  let given: Awaited<ReturnType<typeof aStarter>>
  beforeAll(async () => {
    given = await aStarter()
    await cinelake(['run', join(given.folder, 'pipeline.yaml'), '--window', '2026-03-01', '--state', given.state])
  })
  afterAll(async () => await given[Symbol.asyncDispose]())
  const called = async (...args: string[]) => await cinelake([...args, '--state', given.state])

  test('a folder may be named by its pipeline.yaml, in every command that has one', async () => {
    const file = join(given.folder, 'pipeline.yaml')

    expect((await called('status')).out).toMatch(/starter@2026-03-01 +succeeded/)
    expect((await cinelake(['validate', file])).exitCode).toBe(0)
    expect((await cinelake(['plan', file])).exitCode).toBe(0)
    expect((await cinelake(['try', 'shop/orders', file])).exitCode).toBe(0)
    expect((await cinelake(['agent', 'check', '--pipeline', file])).out).toContain('folder shop/orders')
    const flags = ['--source', 'shop', '--dataset', 'more', '--files', 'more.csv']
    expect((await cinelake(['add', 'files', file, ...flags])).exitCode).toBe(0)
  })

  test.each(['2026-13-01', 'tomorrow', '2026-03-01T99', '2026'])(
    'rejects of the window %s, which is none, is bad usage',
    async (window) => {
      expect(await called('rejects', 'orders', '--window', window)).toMatchObject({
        exitCode: 2,
        out: '',
        notes: expect.stringMatching(/expected a day written as 2026-03-01, a month as 2026-03 or an hour as/),
      })
    },
  )

  test.each(['2026-03', '2026-03-01T05'])('rejects of %s, where windows are days, is bad usage', async (window) => {
    expect(await called('rejects', 'orders', '--window', window)).toMatchObject({
      exitCode: 2,
      notes: expect.stringContaining('expected a day written as 2026-03-01'),
    })
  })

  test('rejects of a rule that is none tells which there are, and which was meant', async () => {
    const { exitCode, notes } = await called('rejects', 'orders', '--rule', 'amount_is_positiv')

    expect(exitCode).toBe(2)
    expect(notes).toMatch(/expected one of amount_is_positive, type\(ordered_on\); did you mean `amount_is_positive`\?/)
    const other = await called('rejects', 'orders', '--rule', 'nope', '--json')
    expect(JSON.parse(other.out)).toMatchObject({ error: { code: 'CONFIG_INVALID' } })
    expect((await called('rejects', 'orders', '--rule', 'type(ordered_on)')).exitCode).toBe(0)
    expect(await called('rejects', 'orders', '--window', '2026-03-02')).toMatchObject({
      exitCode: 2,
      notes: expect.stringContaining('--window is 2026-03-02: expected 2026-03-01'),
    })
  })

  test.each([
    [['rejects', 'order'], /did you mean `orders`/],
    [['history', 'sales_by_dai'], /did you mean `sales_by_day`/],
    [['status', 'startr'], /did you mean `starter`/],
  ])('%j asks what was meant', async (args, words) => {
    expect(await called(...args)).toMatchObject({ exitCode: 2, notes: expect.stringMatching(words) })
  })

  test('try asks which dataset was meant', async () => {
    const meant = /did you mean `shop\/orders`/
    expect((await cinelake(['try', 'shop/order', given.folder])).notes).toMatch(meant)
    expect((await cinelake(['try', 'orders', given.folder])).notes).toMatch(meant)
  })

  test('status shows the runs of a pipeline, and those that failed', async () => {
    expect((await called('status', 'starter')).out).toMatch(/starter@2026-03-01 +succeeded/)
    expect((await called('status', '--pipeline', 'starter')).out).toMatch(/starter@2026-03-01/)
    expect((await called('status', '--failed')).out).toBe('No run has failed.\n')
    expect((await called('status', 'starter', '--failed')).out).toBe('No run of starter has failed.\n')
    expect((await called('status', 'starter@2026-03-01', '--failed')).exitCode).toBe(2)
    expect((await called('status', 'starter', '--pipeline', 'other')).exitCode).toBe(2)
  })
})

test.runIf(existsSync('/proc/self'))('a place where nothing can be made is told at once', async () => {
  await using given = await aStarter()

  const init = await cinelake(['init', '/proc/cinelake'])
  expect(init).toMatchObject({ exitCode: 2, notes: expect.stringContaining('/proc/cinelake') })
  for (const args of [['run', given.folder, '--window', '2026-03-01'], ['demo']]) {
    expect(await cinelake([...args, '--state', '/proc/cinelake/state'])).toMatchObject({
      exitCode: 2,
      notes: expect.stringMatching(/the state directory cannot be used[\s\S]*\/proc\/cinelake\/state.*--state/),
    })
  }
  expect(
    (await cinelake(['add', 'push', '/proc/cinelake', '--source', 'a', '--dataset', 'b', '--secret', 'C'])).exitCode,
  ).not.toBe(0)
})

test('the shipped pipeline, run without its sources, points to the demo', async () => {
  await using directory = await temporaryDirectory()

  const { exitCode, notes } = await cinelake([
    'run',
    SHIPPED_PIPELINE,
    '--window',
    '2026-03-01',
    '--state',
    directory.path,
  ])

  expect(exitCode).toBe(2)
  expect(notes).toContain('`cinelake demo` runs this pipeline')
})

test('the version is printed', async () => {
  for (const flag of ['--version', '-V'])
    expect(await cinelake([flag])).toMatchObject({ exitCode: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) })
})
