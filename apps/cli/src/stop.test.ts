// @module-tag slow: kills processes
import { spawn } from 'node:child_process'
import { signalAt } from '@cinelake/testkit/signal-at'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { aStarter, cinelake } from './testing.fixture.ts'

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url))
const SALES = 'SELECT * FROM sales_by_day ORDER BY ordered_on'

/** Runs the command line as a process of its own that gets signals after the n-th line of its progress. */
async function interrupted(args: readonly string[], signals: readonly NodeJS.Signals[], lines: number) {
  const preload = signalAt(signals, { lines })
  const child = spawn(process.execPath, [...process.execArgv, '--import', preload, MAIN, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let notes = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (notes += text))
  await once(child, 'close')
  return { exitCode: child.exitCode, killedBy: child.signalCode, notes }
}

/** Resolves with what a process has said when a line like this is in it. */
async function lineOf(stream: Readable, pattern: RegExp): Promise<string> {
  let said = ''
  for await (const text of stream.iterator({ destroyOnReturn: false })) {
    said += String(text)
    if (pattern.test(said)) return said
  }
  throw new Error(`ended without a line like ${String(pattern)}: ${said}`)
}

/** Runs of days without a file as well, so that there is enough to do for a signal to come in the midst of it. */
async function aLongRun() {
  const given = await aStarter()
  const file = join(given.folder, 'pipeline.yaml')
  await writeFile(
    file,
    (await readFile(file, 'utf8')).replace(/^( *)mode: merge$/m, '$1mode: merge\n$1whenMissing: skip'),
  )
  const args = ['run', given.folder, '--from', '2026-03-01', '--to', '2026-03-08', '--state', given.state]
  return { given, args }
}

const isFinal = async (state: string) =>
  expect(JSON.parse((await cinelake(['query', SALES, '--state', state, '--json'])).out)).toMatchObject({
    rows: [
      { ordered_on: '2026-03-01', orders: 3, sales: '1236.65' },
      { ordered_on: '2026-03-02', orders: 2, sales: '100.00' },
    ],
  })

test('Ctrl-C stops cleanly with 130, and the next start goes on', async () => {
  const { given, args } = await aLongRun()
  await using _ = given

  const stopped = await interrupted(args, ['SIGINT'], 1)
  expect(stopped).toMatchObject({ exitCode: 130, killedBy: null })
  expect(stopped.notes).toMatch(/Stopped\. The next start resumes here\.\n$/)

  const { exitCode, notes } = await cinelake(args)
  expect({ exitCode, notes }).toMatchObject({
    exitCode: 0,
    notes: expect.stringMatching(/was not finished; it resumes/),
  })
  await isFinal(given.state)
})

test('killed at several points, the next start goes on and the tables come out the same', async () => {
  const { given, args } = await aLongRun()
  await using _ = given

  for (const line of [1, 5, 8]) {
    expect(await interrupted(args, ['SIGKILL'], line)).toMatchObject({ killedBy: 'SIGKILL' })
  }

  expect(await cinelake(args)).toMatchObject({ exitCode: 0 })
  await isFinal(given.state)
  const runs = JSON.parse((await cinelake(['status', '--state', given.state, '--json'])).out) as { runs: unknown[] }
  expect(runs.runs).toMatchObject(Array.from({ length: 8 }, () => ({ state: 'succeeded' })))
})

test('a rebuild that is killed goes on when it is asked for again, and the tables come out the same', async () => {
  const { given, args } = await aLongRun()
  await using _ = given
  await cinelake(args)
  const rebuild = ['rebuild', given.folder, 'orders', '--state', given.state]

  for (const line of [2, 4])
    expect(await interrupted(rebuild, ['SIGKILL'], line)).toMatchObject({ killedBy: 'SIGKILL' })
  const { exitCode, notes } = await cinelake(rebuild)

  expect({ exitCode, notes }).toMatchObject({
    exitCode: 0,
    notes: expect.stringMatching(/was not finished; it resumes/),
  })
  // The first window was done, and is not begun again.
  expect(notes).not.toMatch(/^2026-03-01 {2}✓ refine orders/m)
  await isFinal(given.state)
})

test('a second Ctrl-C ends it at once', async () => {
  const { given, args } = await aLongRun()
  await using _ = given

  const { exitCode } = await interrupted(args, ['SIGINT', 'SIGTERM'], 2)

  expect([130, 143]).toContain(exitCode)
})

test('a reader of its progress that goes away does not end the run', async () => {
  await using given = await aStarter()
  const args = ['run', given.folder, '--window', '2026-03-01', '--state', given.state]
  const child = spawn(process.execPath, [...process.execArgv, MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let out = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))

  const ended = once(child, 'close')
  await lineOf(child.stderr, / ✓ /)
  child.stderr.destroy()

  await ended
  expect({ exitCode: child.exitCode, out }).toMatchObject({ exitCode: 0, out: expect.stringMatching(/succeeded/) })
})

test('a second process that works on one state directory is refused with the name of the first; one that looks is not', async () => {
  await using given = await aStarter()
  const args = ['run', given.folder, '--window', '2026-03-01', '--state', given.state]
  await cinelake(args)
  const { openPgliteDatabase } = await import('@cinelake/database/pglite')
  await using _held = await openPgliteDatabase(`${given.state}/warehouse`)

  const { exitCode, notes } = await cinelake(args)

  expect(exitCode).toBe(1)
  expect(notes).toContain(`got process ${process.pid} on`)
  expect(await cinelake(['tables', '--state', given.state])).toMatchObject({ exitCode: 0 })
})
