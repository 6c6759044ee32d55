import { CONTRACT_VERSION, type Event } from '@cinelake/contracts'
import type { RunChange } from '@cinelake/scheduler'
import { stripVTControlCharacters } from 'node:util'
import { expect, test } from 'vitest'
import { createProgress, createRegion } from './progress.ts'
import { type Terminal, plainPaint } from './terminal.ts'

function aTerminal(isInteractive: boolean, columns = 60, rows = 24): Terminal & { readonly notes: string[] } {
  const notes: string[] = []
  return {
    notes,
    isInteractive,
    print: () => {},
    note: (text) => void notes.push(text),
    columns: () => columns,
    rows: () => rows,
    paint: plainPaint,
  }
}

type Task = RunChange['tasks'][number]

function aTask(fields: Partial<Task>): Task {
  return {
    planned: { name: 'refine titles', queue: 'transformer', needs: [], work: { kind: 'refine', dataset: 'titles' } },
    position: 0,
    state: 'succeeded',
    generation: 1,
    attempt: 1,
    attemptLimit: 4,
    since: null,
    sentAt: null,
    worker: null,
    startedAt: null,
    finishedAt: null,
    dueAt: null,
    facts: {},
    durationMs: 1234,
    error: null,
    rejects: {},
    quality: [],
    reason: null,
    digest: null,
    restart: false,
    balance: { unit: 'rows', in: 2, out: 2, rejected: 0, duplicates: 0 },
    output: { kind: 'table', table: 'titles', version: 0, outcome: 'committed' },
    ...fields,
  }
}

function aChange(...tasks: Task[]): RunChange {
  const run = {
    id: 'shop@2026-03-01',
    pipeline: 'shop',
    digest: '',
    window: { start: '2026-03-01T00:00:00Z', end: '2026-03-02T00:00:00Z', label: '2026-03-01' },
    state: 'running' as const,
    after: null,
    requestedAt: '',
    startedAt: null,
    finishedAt: null,
    redo: null,
    tasks: new Map(tasks.map((task) => [task.planned.name, task])),
  }
  return { run, tasks }
}

const header = {
  contract: CONTRACT_VERSION,
  id: 'a2a6ae9c-7a0f-4b3c-8f0f-3a8d1c3b5d10',
  run: 'shop@2026-03-01',
  task: 'refine titles',
  generation: 1,
  attempt: 1,
  at: '2026-03-02T03:00:00Z',
  worker: 'here:1',
} as const
const started: Event = { ...header, kind: 'task.started' }
const progressed: Event = { ...header, kind: 'task.progressed', rowCount: 5000 }

test('where nothing can be drawn again there is one plain line per finished task', () => {
  const terminal = aTerminal(false)
  using progress = createProgress(terminal)

  progress.onEvent(started)
  progress.onChange(aChange(aTask({ state: 'running' })))
  progress.onChange(aChange(aTask({})))
  progress.onChange(aChange(aTask({ state: 'skipped', reason: 'ingest failed', balance: null, output: null })))

  expect(terminal.notes).toEqual([
    '2026-03-01  ✓ refine titles                         1.2 s  2 rows\n',
    '2026-03-01  - refine titles                                ingest failed\n',
  ])
})

test('tasks that one failure takes down are told in one line, and once how to end retries', () => {
  const terminal = aTerminal(false)
  using progress = createProgress(terminal, { onRetry: 'Ctrl-C ends them' })
  const error = {
    code: 'FILES_MISSING',
    message: 'no file came [source=shop]: expected one',
    retryable: true,
    context: {},
  }
  const open = { balance: null, output: null, durationMs: null }
  const named = (name: string) => ({ planned: { ...aTask({}).planned, name } })

  progress.onChange(aChange(aTask({ ...open, state: 'retrying', error })))
  progress.onChange(aChange(aTask({ ...open, state: 'retrying', error, attempt: 2 })))
  progress.onChange(
    aChange(
      aTask({ ...open, state: 'failed', error }),
      aTask({ ...open, ...named('load titles'), state: 'skipped', reason: 'needs refine titles, which failed' }),
      aTask({ ...open, ...named('build best'), state: 'skipped', reason: 'needs load titles, which was skipped' }),
    ),
  )

  expect(terminal.notes.map((line) => line.replaceAll(/ {2,}/g, '  '))).toEqual([
    '2026-03-01  ↻ refine titles  FILES_MISSING; it is tried again\n',
    'Ctrl-C ends them\n',
    '2026-03-01  ↻ refine titles  FILES_MISSING; it is tried again\n',
    '2026-03-01  ✗ refine titles  FILES_MISSING: no file came\n',
    '2026-03-01  - 2 tasks  skipped, the first: needs refine titles, which failed\n',
  ])
})

test('on a screen the tasks under way are drawn with rows and rate, and gone at the end', async () => {
  const terminal = aTerminal(true)
  let time = 0
  const progress = createProgress(terminal, {}, () => time)
  progress.onEvent(started)
  progress.onChange(aChange(aTask({ state: 'running' })))
  time = 2000
  progress.onEvent(progressed)

  await expect.poll(() => terminal.notes.at(-1)).toMatch(/shop@2026-03-01 {2}0 of 1 tasks {2}2\.0 s\n. refine titles/)
  expect(terminal.notes.at(-1)).toMatch(/2\.0 s {2}5,000 /)
  progress[Symbol.dispose]()

  expect(terminal.notes.at(-1)).toBe('\u001B[2A\u001B[0J')
})

test('no line that is drawn again is wider than the screen, and all of them fit on it', async () => {
  const terminal = aTerminal(true, 20, 5)
  using progress = createProgress(terminal)
  for (const task of ['refine a', 'refine b', 'refine c', 'refine d']) progress.onEvent({ ...started, task })
  progress.onChange(aChange(aTask({ state: 'running' })))

  await expect.poll(() => terminal.notes.at(-1)).toMatch(/refine/)
  const drawn = stripVTControlCharacters(terminal.notes.at(-1) ?? '')
    .trimEnd()
    .split('\n')
  expect(drawn).toHaveLength(3)
  for (const line of drawn) expect(line.length).toBeLessThan(20)
})

test('what is printed goes above the lines that are drawn', () => {
  const notes: string[] = []
  const region = createRegion({ note: (text) => void notes.push(text) })

  region.draw(['one', 'two'])
  region.print('done')
  region.draw([])

  expect(notes).toEqual(['one\ntwo\n', '\u001B[2A\u001B[0Jdone\none\ntwo\n', '\u001B[2A\u001B[0J'])
})
