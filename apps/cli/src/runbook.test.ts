// @module-tag slow: takes long
import { busEntities, emulatorConfig } from '@cinelake/bus'
import { createServiceBus } from '@cinelake/bus/service-bus'
import { TerminalError } from '@cinelake/core'
import { aCommandHeader, until } from '@cinelake/testkit'
import { startServiceBusBroker } from '@cinelake/testkit/service-bus'
import { cp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { blocksOf, callsIn, section, wordsOf } from './docs.fixture.ts'
import { aScheduler } from './scheduler.fixture.ts'
import { aStarter, cinelake } from './testing.fixture.ts'

/**
 * The steps of docs/runbook.md, typed as they stand there, each where it is needed. What only a cluster or Azure answers
 * (`kubectl`, `az`, `sqlcmd`) is passed over; `operations-docs.test.ts` has bash read it.
 */

const PAGE = 'docs/runbook.md'
const [FIRST, SECOND] = ['2026-03-01', '2026-03-02']
const FINAL = [
  { ordered_on: FIRST, orders: 3, sales: '1236.65' },
  { ordered_on: SECOND, orders: 2, sales: '100.00' },
]
const ELSEWHERE = /^(?:kubectl|az|sqlcmd)\b/

type Answer = { readonly line: string; readonly isDone: boolean; readonly said: string }
type Scheduler = Awaited<ReturnType<typeof aScheduler>>

/** The page's names as those of the platform that the steps are tried on. */
const namesOf = (url: string) => (line: string) =>
  line
    .replaceAll('http://localhost:8080', url)
    .replaceAll(/\bott(?=[@"])/g, 'starter')
    .replaceAll(/\bdim_title\b/g, 'sales_by_day')
    .replaceAll(/\btitles\b/g, 'orders')
    .replaceAll('2026-03-07', SECOND)

/** The lines of the blocks of shell below a heading, loops as what they do. */
function linesOf(heading: string): string[] {
  const shell = blocksOf(section(PAGE, heading)).filter(({ language }) => language === 'sh')
  return shell
    .map(({ content }) => content.replaceAll(/\\\n\s*/g, ' '))
    .map((content) =>
      content.replaceAll(
        /^for (\w+) in (.*); do\n([\s\S]*?)^done$/gm,
        (_, name: string, values: string, body: string) =>
          values
            .split(' ')
            .map((value) => body.replaceAll(`$${name}`, value))
            .join(''),
      ),
    )
    .flatMap((content) => content.split('\n'))
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#') && !ELSEWHERE.test(line))
}

/** Does what a line of shell does: an `export`, a request by `curl`, a command of `cinelake`. */
async function type(line: string, settings: Record<string, string>): Promise<Answer> {
  const [program = '', ...words] = wordsOf(line)
  if (program === 'curl') return { line, ...(await request(words)) }
  if (program === 'export') {
    const [name = '', value = ''] = words[0]?.split(/=(.*)/) ?? []
    settings[name] ??= value
    return { line, isDone: true, said: '' }
  }
  const [args] = callsIn(line)
  if (args === undefined) throw new Error(`there is nothing that tries this line: ${line}`)
  const { exitCode, screen } = await cinelake(args, settings)
  return { line, isDone: exitCode === 0, said: screen }
}

async function request(words: readonly string[]): Promise<Omit<Answer, 'line'>> {
  const valueOf = (option: string) => (words.includes(option) ? words[words.indexOf(option) + 1] : undefined)
  const json = valueOf('--json')
  const response = await fetch(words.at(-1) ?? '', {
    method: valueOf('--request') ?? (json === undefined ? 'GET' : 'POST'),
    ...(json === undefined ? {} : { body: json, headers: { 'content-type': 'application/json' } }),
  })
  return { isDone: response.ok, said: await response.text() }
}

/** Types the lines below a heading, all of them or those that have some words. */
async function typeAll(heading: string, it: Scheduler, { having = '' } = {}): Promise<Answer[]> {
  const answers: Answer[] = []
  for (const line of linesOf(heading).filter((each) => each.includes(having)))
    answers.push(await type(namesOf(it.url)(line), {}))
  expect(answers.length, `lines with ${having}`).toBeGreaterThan(0)
  expect(answers.filter(({ isDone }) => !isDone)).toEqual([])
  return answers
}

const ended = async ({ scheduler }: Scheduler, window: string) => {
  const id = `starter@${window}`
  const state = async () => (await scheduler.run(id))?.state
  await until(`${id} ends`, async () => !['waiting', 'running', undefined].includes(await state()))
  return await state()
}
const taskOf = async ({ scheduler }: Scheduler, task: string) =>
  (await scheduler.run(`starter@${FIRST}`))?.tasks.find(({ name }) => name === task)
/** How often each task of a window was begun again; a task that is kept stays what it was. */
const generations = async ({ scheduler }: Scheduler, window: string) =>
  Object.fromEntries(
    ((await scheduler.run(`starter@${window}`))?.tasks ?? []).map(({ name, generation }) => [name, generation]),
  )

type Place = Awaited<ReturnType<typeof ranFirst>>

/** A starter of one process whose first window has run. */
async function ranFirst() {
  const starter = await aStarter()
  const at = async (...args: string[]) => await cinelake([...args, '--state', starter.state])
  const run = async (window: string) => await at('run', starter.folder, '--window', window)
  const refined = (table: string) => join(starter.state, 'lake/refined/starter', table)
  expect((await run(FIRST)).exitCode).toBe(0)
  return {
    ...starter,
    at,
    run,
    refined,
    landed: join(starter.state, 'lake/raw/starter/files/shop/orders', SECOND),
    sales: async () => {
      const { out } = await at('query', 'SELECT * FROM sales_by_day ORDER BY 1', '--json')
      return (JSON.parse(out) as { readonly rows: unknown }).rows
    },
    edit: async (file: string, from: string, to: string) => {
      const text = await readFile(join(starter.folder, file), 'utf8')
      expect(text).toContain(from)
      await writeFile(join(starter.folder, file), text.replace(from, to))
    },
    [Symbol.asyncDispose]: () => starter[Symbol.asyncDispose](),
  }
}

/** Each test begins with the same folders in the same place: making them takes longer than most of the tests. */
let place: Place
const saved = (folder: string) => `${folder}.saved`
beforeAll(async () => {
  place = await ranFirst()
  for (const folder of [place.folder, place.state]) await cp(folder, saved(folder), { recursive: true })
})
afterAll(async () => await place[Symbol.asyncDispose]())
async function afterFirst(): Promise<Place> {
  for (const folder of [place.folder, place.state]) {
    await rm(folder, { recursive: true })
    await cp(saved(folder), folder, { recursive: true })
  }
  return place
}

describe('First', () => {
  test('what looks works, and needs nothing but the addresses', async () => {
    await using it = await aScheduler()
    await using broker = await startServiceBusBroker({ config: emulatorConfig(busEntities()) })
    await typeAll('## Run red', it)
    expect(await ended(it, FIRST)).toBe('succeeded')
    const settings = {
      CINELAKE_API: it.url,
      CINELAKE_BUS_CONNECTION_STRING: broker.connectionString,
      CINELAKE_LAKE: `file:${it.state}/lake`,
      CINELAKE_WAREHOUSE: `pglite:${it.state}/warehouse`,
    }

    const answers: Answer[] = []
    for (const line of linesOf('## First')) answers.push(await type(namesOf(it.url)(line), settings))

    expect(answers.filter(({ isDone }) => !isDone)).toEqual([])
    const said = (words: string) => answers.find(({ line }) => line.includes(words))?.said
    expect(said('/v1/runs?limit')).toContain('"id":"starter@2026-03-01"')
    expect(said('/v1/runs/starter@')).toContain('"tasks":[')
    expect(said('cinelake status')).toMatch(/^refine orders +succeeded/m)
    expect(said('cinelake rejects')).toContain('amount_is_positive')
    expect(said('dead-letters list')).toContain('There are no dead letters in transformer.')
    expect(said('cinelake history')).toContain('starter@2026-03-01/build sales_by_day')
    expect(said('cinelake tables')).toMatch(/^sales_by_day +1/m)
  })
})

describe('Run red', () => {
  test('asked for again, only what failed is done', async () => {
    await using it = await aScheduler()
    const file = join(it.folder, 'models', 'sales_by_day.sql')
    const model = await readFile(file, 'utf8')
    await writeFile(file, model.replace('sum(amount)', 'CAST(sum(amount) AS DECIMAL(3,2))'))
    await it.deploy()
    await typeAll('## Run red', it)
    expect(await ended(it, FIRST)).toBe('failed')
    const refined = await taskOf(it, 'refine orders')

    await writeFile(file, model)
    await it.deploy()
    await typeAll('## Run red', it)

    expect(await ended(it, FIRST)).toBe('succeeded')
    expect(await taskOf(it, 'refine orders')).toEqual(refined)
    expect(await taskOf(it, 'load sales_by_day')).toMatchObject({ state: 'succeeded' })
  })
})

describe('Stuck run', () => {
  test('is cancelled, and goes on where it was when it is asked for again', async () => {
    await using it = await aScheduler({ works: false })
    await typeAll('## Run red', it)
    expect((await it.scheduler.run(`starter@${FIRST}`))?.state).toBe('running')

    await typeAll('## Stuck run', it)
    expect(await ended(it, FIRST)).toBe('cancelled')

    await it.work()
    await typeAll('## Run red', it)
    expect(await ended(it, FIRST)).toBe('succeeded')
  })
})

describe('Dead letters', () => {
  class Refused extends TerminalError {
    readonly code = 'TEST_REFUSED'
  }

  test('are listed everywhere, shown, sent again and discarded', async () => {
    await using broker = await startServiceBusBroker({ config: emulatorConfig(busEntities({ sites: ['hq'] })) })
    await using bus = createServiceBus({ entrance: { connectionString: broker.connectionString } })
    await using _consumer = await bus.consume('transformer', async () => {
      throw new Refused('it is no use', {})
    })
    const refused = async (id: string) => {
      await bus.send('transformer', {
        kind: 'load',
        ...aCommandHeader({ task: 'load orders' }),
        table: 'orders',
        version: 1,
      })
      await until('it is dead', async () => (await bus.deadLetters('transformer')).some((letter) => letter.id === id))
    }
    const settings = { CINELAKE_BUS: 'sb://loopback', CINELAKE_BUS_CONNECTION_STRING: broker.connectionString }
    await refused('1')
    const lines = linesOf('## Dead letters')
    const of = (words: string) => lines.filter((line) => line.includes(words))

    const listed: Answer[] = []
    for (const line of of('dead-letters list')) listed.push(await type(line, settings))
    expect(listed.filter(({ isDone }) => !isDone)).toEqual([])
    expect(listed.map(({ said }) => said).join('')).toContain('There are no dead letters in ingest-files.hq.')
    expect(listed.map(({ said }) => said).join('')).toMatch(/^ ?1 +TEST_REFUSED/m)

    for (const [id, words] of [
      ['1', 'dead-letters show'],
      ['1', 'dead-letters resend'],
      ['2', 'dead-letters discard'],
    ] as const) {
      await until('it is there', async () => (await bus.deadLetters('transformer')).some((letter) => letter.id === id))
      expect(of(words)).toHaveLength(1)
      expect(await type((of(words)[0] ?? '').replace(/\bID$/, id), settings)).toMatchObject({ isDone: true })
    }
    expect(await bus.deadLetters('transformer')).toEqual([])
  })
})

describe('Backfill', () => {
  test('windows are asked for, and done again as each request says', async () => {
    await using it = await aScheduler()
    const ask = async (having: string) => {
      await typeAll('## Backfill', it, { having })
      for (const window of [FIRST, SECOND]) expect(await ended(it, window)).toBe('succeeded')
    }

    await ask('"concurrency"')
    expect(await generations(it, SECOND)).toMatchObject({ 'ingest shop/orders': 1, 'load orders': 1 })

    const file = join(it.folder, 'models', 'sales_by_day.sql')
    await writeFile(file, (await readFile(file, 'utf8')).replace('count(*)', 'count(*) + 100'))
    await it.deploy()
    await ask('"changed"')
    expect(await generations(it, SECOND)).toMatchObject({ 'ingest shop/orders': 1, 'build sales_by_day': 2 })

    await ask('"select"')
    expect(await generations(it, FIRST)).toMatchObject({ 'refine orders': 1, 'build sales_by_day': 3 })

    await ask('"again"')
    expect((await generations(it, FIRST))['ingest shop/orders']).toBeGreaterThan(1)
    expect(linesOf('## Backfill')).toHaveLength(4)
  })
})

describe('Rebuild a table', () => {
  test('by the scheduler', async () => {
    await using it = await aScheduler()
    await typeAll('## Backfill', it, { having: '"concurrency"' })
    for (const window of [FIRST, SECOND]) expect(await ended(it, window)).toBe('succeeded')
    await rm(join(it.state, 'lake/refined/starter/orders'), { recursive: true })

    await typeAll('## Rebuild a table', it)

    for (const window of [FIRST, SECOND]) expect(await ended(it, window)).toBe('succeeded')
    expect(await generations(it, FIRST)).toMatchObject({ 'ingest shop/orders': 1, 'refine orders': 2 })
    expect(await readdir(join(it.state, 'lake/refined/starter/orders/_delta_log'))).toContain(
      '00000000000000000001.json',
    )
  })

  test('in one process, shown beforehand', async () => {
    const place = await afterFirst()
    await place.run(SECOND)
    await rm(place.refined('orders'), { recursive: true })
    const named = [...section(PAGE, '## Rebuild a table').matchAll(/`(npx [^`]*)`/g)].map(([, line = '']) => line)
    const [rebuild = [], plan = []] = named.map(namesOf('')).flatMap(callsIn)

    const shown = await place.at(...withNames(plan, place, SECOND))
    expect(shown).toMatchObject({
      exitCode: 0,
      out: expect.stringMatching(/^refine orders +do, its table begins again/m),
    })
    expect(await place.at(...rebuild)).toMatchObject({ exitCode: 0 })
    expect(await place.sales()).toEqual(FINAL)
  })
})

/** What is to be done about a code, by the table below a heading: the commands of its row, or of the row that it means. */
function remedyOf(heading: string, code: string): string[][] {
  const rows = section(PAGE, heading)
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.split(/(?<!\\) \| /))
  const at = rows.findIndex(([codes = '']) => codes.includes(`\`${code}\``))
  const isMeant = (cell = '') => !/^(?:or )?the same|^put the right folder back/.test(cell)
  const cell =
    rows
      .slice(0, at + 1)
      .findLast((cells) => isMeant(cells.at(-1)))
      ?.at(-1) ?? ''
  return [...cell.matchAll(/`([^`]*)`/g)].flatMap(([, words = '']) => callsIn(words))
}

/** A command of the table with its words for this place: `DIR`, `TABLE`, `W`, `SOURCE/DATASET`. */
const withNames = (args: readonly string[], place: Place, window: string) =>
  args.map((word) =>
    word === 'DIR'
      ? place.folder
      : word === 'W'
        ? window
        : word.replace('TABLE', 'orders').replace('SOURCE', 'shop').replace('DATASET', 'orders'),
  )

const CUSTOMER = `      - name: customer
        logicalType: string
        description: The customer's number.
        required: true
`

const flip = async (file: string) => {
  const bytes = await readFile(file)
  const at = Math.floor(bytes.length / 3)
  bytes[at] = (bytes[at] ?? 0) ^ 1
  await writeFile(file, bytes)
}
const parquetOf = async (folder: string) =>
  join(folder, (await readdir(folder)).find((name) => name.endsWith('.parquet')) ?? '')

/** A window whose file has landed and could not be refined; the file is right by now. */
async function landedAndFailed({ folder, run }: Place): Promise<void> {
  const file = join(folder, 'orders', `orders_${SECOND}.csv`)
  const right = await readFile(file, 'utf8')
  await writeFile(file, 'nothing,known\n1,2\n')
  expect(await run(SECOND)).toMatchObject({ exitCode: 1, out: expect.stringContaining('REFINE_HEADER_MISMATCH') })
  await writeFile(file, right)
}

describe('the way back that a table names', () => {
  test.each<[code: string, heading: string, what: string, damage: (place: Place) => Promise<void>]>([
    [
      'TABLE_LOST',
      '## Lost or damaged state',
      'a folder is gone',
      async ({ refined }) => await rm(refined('orders'), { recursive: true }),
    ],
    [
      'TABLE_REPLACED',
      '## Lost or damaged state',
      'another table has its place',
      async ({ refined }) => {
        await rm(refined('orders'), { recursive: true })
        await cp(refined('sales_by_day'), refined('orders'), { recursive: true })
      },
    ],
    [
      'DELTA_LOG_CORRUPT',
      '## Lost or damaged state',
      'a commit is cut off',
      async ({ refined }) =>
        await writeFile(join(refined('orders'), '_delta_log', `${'0'.repeat(20)}.json`), '{"add":{'),
    ],
    [
      'DELTA_FILE_DAMAGED',
      '## Lost or damaged state',
      'a bit of a data file is another one',
      async ({ refined }) => await flip(await parquetOf(refined('orders'))),
    ],
    [
      'TABLE_FILES_LOST',
      '## Lost or damaged state',
      'a data file is gone',
      async ({ refined }) => await rm(await parquetOf(refined('orders'))),
    ],
    [
      'RAW_LOST',
      '## Lost or damaged state',
      'what landed is gone',
      async (place) => {
        await landedAndFailed(place)
        await rm(place.landed, { recursive: true })
      },
    ],
    [
      'RAW_DAMAGED',
      '## Lost or damaged state',
      'what landed has other bytes',
      async (place) => {
        await landedAndFailed(place)
        await writeFile(join(place.landed, `orders_${SECOND}.csv`), 'nothing,known\n3,4\n')
      },
    ],
    [
      'LAKE_MANIFEST_CORRUPT',
      '## Lost or damaged state',
      'the list of what landed is no JSON',
      async (place) => {
        await landedAndFailed(place)
        await writeFile(join(place.state, 'lake/raw/_landed/starter', SECOND, 'ingest-shop.orders.json'), 'x')
      },
    ],
    [
      'CONTRACT_CHANGE_LOSSY',
      '## Run red',
      'a column with values is gone from the contract',
      async ({ edit }) => await edit('contracts/orders.yaml', CUSTOMER, ''),
    ],
  ])('%s (%s): %s', async (code, heading, _what, damage) => {
    const place = await afterFirst()
    await damage(place)
    expect(await place.run(SECOND)).toMatchObject({ exitCode: 1, out: expect.stringContaining(code) })

    const remedy = remedyOf(heading, code)
    expect(remedy).not.toEqual([])
    for (const args of remedy) expect(await place.at(...withNames(args, place, SECOND))).toMatchObject({ exitCode: 0 })

    expect(await place.run(SECOND)).toMatchObject({ exitCode: 0 })
    expect(await place.sales()).toEqual(FINAL)
  })

  test('WAREHOUSE_DIRECTORY_INVALID: the folder is moved away', async () => {
    const place = await afterFirst()
    const warehouse = join(place.state, 'warehouse')
    await writeFile(join(warehouse, 'PG_VERSION'), 'none')
    expect(await place.run(SECOND)).toMatchObject({ exitCode: 2, notes: expect.stringContaining(warehouse) })
    expect(section(PAGE, '## Lost or damaged state')).toMatch(
      /`WAREHOUSE_DIRECTORY_INVALID` .* \| move it away: the next run/,
    )

    await rename(warehouse, `${warehouse}.before`)

    expect(await place.run(SECOND)).toMatchObject({ exitCode: 0 })
    expect(await place.sales()).toEqual(FINAL)
  })
})
