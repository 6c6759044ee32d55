import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { contentOf, differences } from './compose/content.ts'
import { must } from './compose/shell.ts'
import { buildImages, openStack, SERVICES, whyNot, type Run, type Stack } from './compose/stack.ts'

// Runs two days of the sample company in containers (docker-compose.offline.yml, transformer three times) and compares what
// comes out with the same two days in one process. Exit code 0: the same; 1: not; 69: this machine has no containers.
//
//   node tools/compose-day.ts                  the two days
//   node tools/compose-day.ts --disturbed      every service killed at work on the first, and replaced at work on the second
//   node tools/compose-day.ts --scale 0.1      of a smaller company
//   node tools/compose-day.ts --built --version 1.2.3   with images that are there already

/** EX_UNAVAILABLE. Source: sysexits.h */
const EXIT_UNAVAILABLE = 69
/** What a shell tells of a process that SIGTERM ended. */
const EXIT_STOPPED = 143
const WINDOWS = ['2026-03-01', '2026-03-02'] as const
/** Milliseconds for one run, disturbances included. */
const PATIENCE_MS = 10 * 60_000
/** Milliseconds in which some task of a run has to move: thrice the time until a killed worker's command is taken up again. */
const STILL_MS = 3 * 60_000

const { values } = parseArgs({
  options: {
    disturbed: { type: 'boolean', default: false },
    scale: { type: 'string', default: '1' },
    version: { type: 'string', default: 'test' },
    built: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
})
const reason = await whyNot()
if (reason !== undefined) {
  console.log(`compose-day: not run: ${reason}`)
  process.exit(EXIT_UNAVAILABLE)
}
process.exitCode = (await day()) ? 0 : 1

async function day(): Promise<boolean> {
  if (!values.built) await step('build the images', () => buildImages(values.version))
  const stack = await openStack(values.version, {
    CINELAKE_SAMPLE_SCALE: values.scale,
    CINELAKE_SAMPLE_FIRST_DAY: WINDOWS[0],
    CINELAKE_SAMPLE_DAY: WINDOWS[0],
    CINELAKE_SCHEDULER_SCHEDULE: 'off',
  })
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => void stack[Symbol.asyncDispose]().finally(() => process.exit(EXIT_STOPPED)))
  }
  try {
    await step('bring up the containers, three transformers', () => stack.up(['--scale', 'transformer=3']))
    const first = values.disturbed ? disturb(stack, 'kill') : runWindow(stack)
    const second = values.disturbed ? disturb(stack, 'redeploy') : runWindow(stack)
    await step(`run ${WINDOWS[0]}`, () => first(WINDOWS[0]))
    await step('let the company live a day', () => stack.companyAt(WINDOWS[1]))
    await step(`run ${WINDOWS[1]}`, () => second(WINDOWS[1]))
    const expected = await step('run both days in one process', embedded)
    const got = await step('read what the containers made', () => contentOf(stack.cli, WINDOWS))
    const dead = await deadLetters(stack)
    const lines = [...differences(expected, got), ...dead]
    for (const line of lines) console.log(`compose-day: ${line}`)
    const tables = Object.keys(expected.mart).length
    if (lines.length === 0)
      console.log(`compose-day: ${tables} tables and ${Object.keys(expected.tasks).length} tasks are the same`)
    return lines.length === 0 && tables > 0
  } catch (error) {
    console.log((await stack.logs().catch(String)).split('\n').slice(-200).join('\n'))
    throw error
  } finally {
    if (values.keep) console.log(`compose-day: project ${stack.project} is left running`)
    else await stack[Symbol.asyncDispose]()
  }
}

async function step<T>(what: string, doIt: () => Promise<T>): Promise<T> {
  const begun = performance.now()
  const result = await doIt()
  console.log(`compose-day: ${what}: ${((performance.now() - begun) / 1_000).toFixed(1)} s`)
  return result
}

function runWindow(stack: Stack): (window: string) => Promise<void> {
  return async (window) => {
    await stack.ask(window)
    await untilOver(stack, window)
  }
}

async function untilOver(stack: Stack, window: string): Promise<void> {
  let before = ''
  let movedAt = performance.now()
  await until(`the run of ${window} is over`, async () => {
    const run = await stack.look(window)
    const now = JSON.stringify(run.tasks.map(({ name, state }) => [name, state]))
    if (now !== before) movedAt = performance.now()
    before = now
    if (performance.now() - movedAt > STILL_MS) throw new Error(`${window} stands still: ${now}`)
    return isOver(run)
  })
  const { state, tasks } = await stack.look(window)
  if (state === 'succeeded') return
  const left = tasks.filter((task) => task.state !== 'succeeded')
  throw new Error(`${window} ${state}: ${JSON.stringify(left, null, 1)}`)
}

function isOver({ state }: Run): boolean {
  return state === 'succeeded' || state === 'failed'
}

/** Runs a window, and kills or replaces every service while it has work in that run. */
function disturb(stack: Stack, what: 'kill' | 'redeploy'): (window: string) => Promise<void> {
  return async (window) => {
    await stack.ask(window)
    for (const service of SERVICES) {
      await until(`${service} works`, async () => {
        const run = await stack.look(window)
        if (isOver(run)) throw new Error(`${window} was over before ${service} had its turn; take a larger --scale`)
        return run.tasks.some(
          ({ state, queue }) => state === 'running' && (service === 'scheduler' || queue === service),
        )
      })
      await stack[what](service)
      console.log(`compose-day: ${what} ${service}`)
    }
    await untilOver(stack, window)
  }
}

/** Waits for a condition that the containers bring about. */
async function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS
  while (!(await isTrue())) {
    if (performance.now() > deadline)
      throw new Error(`did not come true within ${PATIENCE_MS / 60_000} minutes: ${what}`)
    await pause(200)
  }
}

/** The same two days in one process: the demo. */
async function embedded() {
  const state = await mkdtemp(join(tmpdir(), 'cinelake-compose-'))
  const cli = (args: readonly string[]) =>
    must(process.execPath, ['--conditions=@cinelake/source', 'apps/cli/src/main.ts', ...args, '--state', state])
  try {
    await cli(['demo', '--scale', values.scale])
    return await contentOf(cli, WINDOWS)
  } finally {
    await rm(state, { recursive: true, force: true })
  }
}

/** Dead letters of all queues, and of the scheduler's subscription, a line each. */
async function deadLetters(stack: Stack): Promise<string[]> {
  const lines: string[] = []
  for (const entity of [...SERVICES.filter((service) => service !== 'scheduler'), 'events/scheduler']) {
    const listed = await stack.cli(['dead-letters', 'list', entity, '--json'])
    const { deadLetters: letters } = JSON.parse(listed) as { deadLetters: unknown[] }
    lines.push(...letters.map((letter) => `a dead letter in ${entity}: ${JSON.stringify(letter)}`))
  }
  return lines
}
