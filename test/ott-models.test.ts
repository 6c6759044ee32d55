// @module-tag slow: takes long
import { identifier, literal } from '../libs/sql/src/index.ts'
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createBuild } from '../apps/transformer/src/build/build-model.ts'
import { CONTRACT_VERSION } from '../libs/contracts/src/index.ts'
import { parseWindow, silentLog, type Window } from '../libs/core/src/index.ts'
import { createDeltaTable } from '../libs/delta/src/index.ts'
import { createDuckDbEngine } from '../libs/engine/src/duckdb/duckdb.ts'
import { createDirectoryLake } from '../libs/lake/src/directory/lake.ts'
import { createSqlTyper, formatProblem, freezePipeline, readPipeline } from '../libs/pipeline/src/index.ts'
import { fixedClock, temporaryDirectory } from '../libs/testkit/src/index.ts'

/** The shipped pipeline's models over small refined tables, through the transformer's own handler. */

type Row = Readonly<Record<string, string | number | readonly string[] | null>>
type Tables = Readonly<Record<string, readonly Row[]>>

const title = (id: number, fields: Row = {}): Row => ({
  title_id: `tt${id}`,
  title: `Title ${id}`,
  type: 'MOVIE',
  genres: ['Drama'],
  runtime_minutes: 100,
  release_date: '2020-05-01',
  imdb_score: 7,
  imdb_votes: 30_000,
  updated_at: '2026-03-01 01:00:00+00',
  ...fields,
})
const user = (id: number, fields: Row = {}): Row => ({
  user_id: `u${id}`,
  full_name: `Name ${id}`,
  email: `u${id}@mail.example`,
  signed_up_at: '2025-01-01 10:00:00+00',
  country: 'DE',
  preferred_genres: [],
  plan: 'basic',
  updated_at: '2025-01-01 10:00:00+00',
  ...fields,
})
const viewing = (id: number, who: number, what: number, at: string, minutes = 50): Row => ({
  viewing_id: id,
  user_id: `u${who}`,
  title_id: `tt${what}`,
  started_at: `${at}+00`,
  minutes_watched: minutes,
})

const titles = [
  title(1, { genres: ['Crime', 'Drama'], imdb_score: 9.1, imdb_votes: 60_000 }),
  title(2, { genres: ['Comedy'], imdb_score: 8, runtime_minutes: null }),
  title(3, { imdb_score: 6.9, imdb_votes: 10_000 }),
  title(4, { imdb_score: 6.8, imdb_votes: 90_000, release_date: '1999-01-01' }),
  title(5, { imdb_score: 9.4, imdb_votes: 9_999, release_date: '1999-01-01' }),
  title(6, { type: 'SHOW', imdb_score: 7.5, imdb_votes: 25_000, release_date: '2021-01-01' }),
  title(7, { type: 'SHOW', imdb_score: 7.4, imdb_votes: 25_001, release_date: '2021-01-01' }),
  title(8, { imdb_score: 9.1, imdb_votes: 60_001, release_date: '2020-12-31' }),
  title(9, { imdb_score: null, imdb_votes: null, release_date: null }),
]
const dayOneViewings = [
  viewing(1, 1, 1, '2026-02-10 20:00:00', 120),
  // 23:30 UTC is the next day in Berlin.
  viewing(2, 1, 2, '2026-02-28 23:30:00', 30),
  viewing(3, 2, 1, '2026-03-01 10:00:00', 90),
  viewing(4, 2, 10, '2026-03-01 11:00:00'),
  viewing(5, 9, 2, '2026-03-01 12:00:00', 10),
  viewing(6, 9, 99, '2026-03-01 12:00:00'),
]
const dayOne: Tables = {
  titles,
  users: [user(1, { preferred_genres: ['Comedy'] }), user(2), user(3, { signed_up_at: '2026-02-20 10:00:00+00' })],
  watch_history: dayOneViewings,
  customers: [1, 2, 3].map((id) => ({ customer_id: id, user_id: `u${id}`, created_at: '2025-01-01 10:00:00+00' })),
  payments: [
    { payment_id: 'p1', customer_id: 1, amount: 9.99, status: 'paid', paid_at: '2026-02-01 06:00:00+00' },
    { payment_id: 'p2', customer_id: 1, amount: 9.99, status: 'refunded', paid_at: '2026-02-02 06:00:00+00' },
    { payment_id: 'p3', customer_id: 2, amount: 9.99, status: 'failed', paid_at: '2026-02-02 06:00:00+00' },
    { payment_id: 'p4', customer_id: 2, amount: 4.99, status: 'paid', paid_at: '2025-06-02 06:00:00+00' },
  ].map((payment) => ({ plan_code: 'basic', currency: 'EUR', ...payment })),
}
const dayTwo: Tables = {
  ...dayOne,
  titles: [...titles, title(10, { genres: ['Comedy'], imdb_score: 6 })],
  users: [user(1, { plan: 'premium' }), user(2), user(3), user(9)],
  watch_history: [viewing(7, 1, 10, '2026-03-02 18:00:00', 100), viewing(8, 3, 1, '2026-03-02 19:00:00', 20)],
}

describe('the first day', () => {
  let place: Awaited<ReturnType<typeof given>>
  beforeAll(async () => {
    place = await given()
    await place.runDay('2026-03-01', dayOne)
  })
  afterAll(async () => await place[Symbol.asyncDispose]())

  test('all of the past comes in, by the days of the company’s own time zone', async () => {
    expect(
      await place.rows('SELECT viewing_id AS id, watched_on AS day, completion FROM fact_watch ORDER BY id'),
    ).toEqual([
      { id: 1, day: '2026-02-10', completion: '1.0000' },
      { id: 2, day: '2026-03-01', completion: null },
      { id: 3, day: '2026-03-01', completion: '0.9000' },
    ])
  })

  test('viewings without their title or user are rejects, by what is missing', async () => {
    expect(await place.rows('SELECT rule, raw FROM _rejects ORDER BY raw')).toMatchObject([
      { rule: 'unknown_title', raw: expect.stringContaining('"viewing_id":4') },
      { rule: 'unknown_user', raw: expect.stringContaining('"viewing_id":5') },
      { rule: 'unknown_title_and_user', raw: expect.stringContaining('"viewing_id":6') },
    ])
  })

  test('a viewing counts for each genre of its title', async () => {
    expect(
      await place.rows(
        "SELECT genre, views, minutes, viewers, average_score FROM genre_engagement_daily WHERE watched_on = '2026-03-01' ORDER BY genre",
      ),
    ).toEqual([
      { genre: 'Comedy', views: 1, minutes: '30.0', viewers: 1, average_score: '8.00' },
      { genre: 'Crime', views: 1, minutes: '90.0', viewers: 1, average_score: '9.10' },
      { genre: 'Drama', views: 1, minutes: '90.0', viewers: 1, average_score: '9.10' },
    ])
  })

  test('best_titles takes films from 6.9, shows from 7.5, and both from 10,000 votes', async () => {
    expect(await place.rows('SELECT type, rank, title_id FROM best_titles ORDER BY type, rank')).toEqual([
      { type: 'MOVIE', rank: 1, title_id: 'tt8' },
      { type: 'MOVIE', rank: 2, title_id: 'tt1' },
      { type: 'MOVIE', rank: 3, title_id: 'tt2' },
      { type: 'MOVIE', rank: 4, title_id: 'tt3' },
      { type: 'SHOW', rank: 1, title_id: 'tt6' },
    ])
  })

  test('best_titles_by_year takes more than 25,000 votes, and of equal scores the one with more votes', async () => {
    expect(
      await place.rows('SELECT type, release_year AS year, title_id FROM best_titles_by_year ORDER BY type, year'),
    ).toEqual([
      { type: 'MOVIE', year: 1999, title_id: 'tt4' },
      { type: 'MOVIE', year: 2020, title_id: 'tt8' },
      { type: 'SHOW', year: 2021, title_id: 'tt7' },
    ])
  })

  test('a few enthusiastic votes do not put a title on top of its genre', async () => {
    const top = await place.rows<{ title_id: string }>(
      "SELECT title_id FROM top_titles_by_genre WHERE genre = 'Drama' ORDER BY rank",
    )

    expect(top.slice(0, 3).map(({ title_id }) => title_id)).toEqual(['tt8', 'tt1', 'tt5'])
  })

  test('recommendations are of titles that the user has not watched, in order, and say why', async () => {
    const rows = await place.rows<{ user_id: string; rank: number; title_id: string; why: string }>(
      'SELECT user_id, rank, title_id, why FROM recommendations ORDER BY user_id, rank',
    )

    for (const id of ['u1', 'u2', 'u3']) {
      const own = rows.filter(({ user_id }) => user_id === id)
      expect(own.map(({ rank }) => rank)).toEqual(own.map((_, index) => index + 1))
      expect(new Set(own.map(({ title_id }) => title_id)).size).toBe(own.length)
    }
    const of = (id: string) => rows.filter(({ user_id }) => user_id === id).map(({ title_id }) => title_id)
    // Eight titles have a score.
    expect(of('u1')).toHaveLength(6)
    expect(of('u1').filter((id) => id === 'tt1' || id === 'tt2')).toEqual([])
    expect(of('u2')).toHaveLength(7)
    expect(of('u3')).toHaveLength(8)
    expect(rows.find(({ user_id }) => user_id === 'u2')?.why).toBe('You watch Drama; rated 9.1 by 60001 people')
    expect(rows.filter(({ user_id }) => user_id === 'u3').every(({ why }) => why.startsWith('One of the best'))).toBe(
      true,
    )
  })

  test('each user is in one segment, by what was paid and watched before the end of the day', async () => {
    expect(
      await place.rows(
        'SELECT user_id, month, segment, recency_days, frequency, monetary FROM user_segments ORDER BY user_id',
      ),
    ).toEqual([
      { user_id: 'u1', month: '2026-03-01', segment: 'Champions', recency_days: 0, frequency: 2, monetary: '9.99' },
      { user_id: 'u2', month: '2026-03-01', segment: 'Promising', recency_days: 0, frequency: 1, monetary: '0.00' },
      { user_id: 'u3', month: '2026-03-01', segment: 'New', recency_days: null, frequency: 0, monetary: '0.00' },
    ])
  })
})

test('who watched nothing or paid nothing has the lowest score, however many they are; equals have equal scores', async () => {
  await using place = await given()
  await place.runDay('2026-03-01', {
    ...dayOne,
    users: [1, 2, 3, 4, 5, 6].map((id) => user(id)),
    watch_history: [viewing(1, 1, 1, '2026-03-01 10:00:00'), viewing(2, 2, 1, '2026-03-01 11:00:00')],
  })

  expect(
    await place.rows('SELECT user_id AS id, frequency_score, monetary_score FROM user_segments ORDER BY user_id'),
  ).toEqual([
    { id: 'u1', frequency_score: 5, monetary_score: 5 },
    { id: 'u2', frequency_score: 5, monetary_score: 1 },
    ...['u3', 'u4', 'u5', 'u6'].map((id) => ({ id, frequency_score: 1, monetary_score: 1 })),
  ])
})

describe('the next day', () => {
  let place: Awaited<ReturnType<typeof given>>
  beforeAll(async () => {
    place = await given()
    await place.runDay('2026-03-01', dayOne)
    await place.runDay('2026-03-02', dayTwo)
  })
  afterAll(async () => await place[Symbol.asyncDispose]())

  test('viewings whose title or user has come since are no longer rejects', async () => {
    expect(
      await place.rows("SELECT viewing_id AS id FROM fact_watch WHERE watched_on = '2026-03-01' ORDER BY id"),
    ).toEqual([2, 3, 4, 5].map((id) => ({ id })))
    expect(
      await place.rows("SELECT rule, count(*) AS n FROM _rejects WHERE window_label = '2026-03-02' GROUP BY rule"),
    ).toEqual([{ rule: 'unknown_title', n: 1 }])
  })

  test('a day that nothing came in for, and that is past the look-back, stays as it is', async () => {
    const [row] = await place.rows<{ built_for: string }>('SELECT built_for FROM fact_watch WHERE viewing_id = 1')

    expect(row?.built_for).toBe('2026-02-28T23:00:00.000000Z')
  })

  test('a user who changed has two states, the others one', async () => {
    expect(
      await place.rows(
        'SELECT user_id, plan, valid_from, valid_to, is_current FROM dim_user ORDER BY user_id, valid_from',
      ),
    ).toMatchObject([
      { user_id: 'u1', plan: 'basic', valid_to: '2026-03-01T23:00:00.000000Z', is_current: false },
      { user_id: 'u1', plan: 'premium', valid_from: '2026-03-01T23:00:00.000000Z', valid_to: null, is_current: true },
      { user_id: 'u2', is_current: true },
      { user_id: 'u3', is_current: false },
      { user_id: 'u3', is_current: true },
      { user_id: 'u9', is_current: true },
    ])
  })

  test('performance is of the day and against the day before', async () => {
    expect(
      await place.rows(
        "SELECT rank, title_id, minutes, previous_rank, rank_change, views_change FROM title_performance WHERE watched_on = DATE '2026-03-02' ORDER BY rank",
      ),
    ).toEqual([
      { rank: 1, title_id: 'tt10', minutes: '100.0', previous_rank: 2, rank_change: 1, views_change: 0 },
      { rank: 2, title_id: 'tt1', minutes: '20.0', previous_rank: 1, rank_change: -1, views_change: 0 },
    ])
  })

  test('what came late counts in all tables of its day, and in the comparison with it', async () => {
    expect(
      await place.rows(
        'SELECT watched_on, CAST(sum(views) AS INTEGER) AS views FROM title_performance GROUP BY ALL ORDER BY 1',
      ),
    ).toEqual(await place.rows('SELECT watched_on, count(*) AS views FROM fact_watch GROUP BY ALL ORDER BY 1'))
    expect(
      await place.rows(
        "SELECT rank, title_id FROM title_performance WHERE watched_on = DATE '2026-03-01' ORDER BY rank",
      ),
    ).toEqual([
      { rank: 1, title_id: 'tt1' },
      { rank: 2, title_id: 'tt10' },
      { rank: 3, title_id: 'tt2' },
    ])
  })

  test('the month’s segments are replaced, not added to', async () => {
    expect(await place.rows('SELECT count(*) AS n, count(DISTINCT user_id) AS users FROM user_segments')).toEqual([
      { n: 4, users: 4 },
    ])
  })
})

test('a viewing comes in when its title and user do, however late', async () => {
  await using place = await given()
  await place.runDay('2026-03-01', dayOne)
  await place.runDay('2026-03-20', { ...dayTwo, titles: [...titles, title(99)], users: [user(1), user(9)] })

  expect(
    await place.rows("SELECT viewing_id AS id, watched_on AS day FROM fact_watch WHERE title_id = 'tt99'"),
  ).toEqual([{ id: 6, day: '2026-03-01' }])
  expect(await place.rows("SELECT views FROM title_performance WHERE title_id = 'tt99'")).toEqual([{ views: 1 }])
})

test('what a user watched stays when the user leaves', async () => {
  await using place = await given()
  await place.runDay('2026-03-01', dayOne)
  await place.runDay('2026-03-02', { ...dayTwo, users: [user(1), user(3)] })

  expect(await place.rows("SELECT viewing_id AS id FROM fact_watch WHERE user_id = 'u2' ORDER BY id")).toEqual([
    { id: 3 },
    { id: 4 },
  ])
  expect(await place.rows("SELECT user_id FROM recommendations WHERE user_id = 'u2'")).toEqual([])
  expect(await place.rows("SELECT user_id FROM user_segments WHERE user_id = 'u2'")).toEqual([])
})

test('a day that is built again later puts no table back', async () => {
  await using place = await given()
  await place.runDay('2026-03-01', dayOne)
  await place.runDay('2026-03-02', dayTwo)
  const content = async () =>
    await Promise.all(
      place.models.map(async (model) => {
        const columns = model === 'fact_watch' ? '* EXCLUDE (built_for)' : '*'
        return [model, await place.rows(`SELECT ${columns} FROM ${model} ORDER BY ALL`)]
      }),
    )
  const before = await content()

  await place.runAgain('2026-03-01')

  expect(await content()).toEqual(before)
})

test('a day on which nothing came in makes no day of viewings anew', async () => {
  await using place = await given()
  await place.runDay('2026-03-01', dayOne)
  const builtFor = async () => await place.rows('SELECT watched_on, built_for FROM fact_watch ORDER BY ALL')
  const before = await builtFor()

  await place.runAgain('2026-03-02')

  expect(await builtFor()).toEqual(before)
})

test('a title that changed makes the days of the last week anew on which it was watched', async () => {
  await using place = await given()
  await place.runDay('2026-03-01', dayOne)
  await place.runDay('2026-03-02', { titles: [title(1, { runtime_minutes: 200 })] })

  expect(await place.rows('SELECT viewing_id AS id, completion FROM fact_watch ORDER BY id')).toEqual([
    // Three weeks ago: as it was.
    { id: 1, completion: '1.0000' },
    { id: 2, completion: null },
    { id: 3, completion: '0.4500' },
  ])
})

test('an old day that is built again leaves segments as of the latest day, on which nobody watched', async () => {
  await using place = await given()
  await place.runDay('2026-03-01', dayOne)
  await place.runAgain('2026-03-05')
  const segments = async () => await place.rows('SELECT * FROM user_segments ORDER BY ALL')
  const before = await segments()

  await place.runAgain('2026-03-01')

  expect(before).toMatchObject([{ recency_days: 4 }, { recency_days: 4 }, { recency_days: null }])
  expect(await segments()).toEqual(before)
})

test('a user who came after a month has no segment in it', async () => {
  await using place = await given()
  await place.runDay('2026-02-28', { ...dayOne, users: [user(1), user(2, { signed_up_at: '2026-02-28 23:30:00+00' })] })

  expect(await place.rows('SELECT user_id, month FROM user_segments')).toEqual([{ user_id: 'u1', month: '2026-02-01' }])
})

test('the order in which rows come makes no difference', async () => {
  await using one = await given()
  await using other = await given()
  await one.runDay('2026-03-01', dayOne)
  await other.runDay(
    '2026-03-01',
    Object.fromEntries(Object.entries(dayOne).map(([name, rows]) => [name, rows.toReversed()])),
  )

  for (const model of one.models) {
    expect(await one.rows(`SELECT * FROM ${model} ORDER BY ALL`)).toEqual(
      await other.rows(`SELECT * FROM ${model} ORDER BY ALL`),
    )
  }
})

async function given() {
  const stack = new AsyncDisposableStack()
  const directory = stack.use(await temporaryDirectory())
  const lake = stack.use(await createDirectoryLake(`${directory.path}/lake`))
  const engine = stack.use(
    await createDuckDbEngine({
      memoryBytes: 512e6,
      threads: 2,
      scratchDirectory: `${directory.path}/scratch`,
      directories: [directory.path],
    }),
  )
  const { pipeline, problems } = await readPipeline(fileURLToPath(new URL('../pipelines/ott', import.meta.url)), {
    typer: createSqlTyper(stack.use(await engine.session())),
  })
  if (pipeline === undefined) throw new Error(problems.map(formatProblem).join('\n'))
  const { path, text, digest } = freezePipeline(pipeline)
  await lake.putIfAbsent(path, text)
  const clock = fixedClock()
  const build = createBuild({ lake, engine, clock, log: silentLog })
  const session = stack.use(await engine.session())
  const versions = new Map<string, number>()
  const table = (name: string) => createDeltaTable({ lake, path: `refined/ott/${name}`, clock })

  /** Rows as `refine` leaves them. */
  const refine = async (name: string, rows: readonly Row[], window: Window): Promise<void> => {
    const dataset = pipeline.datasets.find((candidate) => candidate.name === name)
    if (dataset === undefined) throw new Error(`no dataset ${name}`)
    const selects = rows.map((row) => {
      const values = dataset.contract.columns.map(
        (column) => `CAST(${valueOf(row[column.name])} AS ${column.type}) AS ${identifier(column.name)}`,
      )
      return `SELECT ${values.join(', ')}, TIMESTAMPTZ ${literal(window.start)} AS _window`
    })
    const options = { txn: { appId: `${name} ${window.label}`, version: 1 } }
    const query = selects.join(' UNION ALL ')
    const result =
      dataset.mode === 'merge'
        ? await table(name).merge(session, query, { ...options, key: dataset.contract.primaryKey })
        : await table(name).overwrite(session, query, options)
    versions.set(name, result.version)
  }
  const runDay = async (date: string, tables: Tables, generation: number): Promise<void> => {
    const window = parseWindow(pipeline.schedule, date)
    if (window === undefined) throw new Error(`no window ${date}`)
    for (const [name, rows] of Object.entries(tables)) await refine(name, rows, window)
    for (const model of pipeline.models) {
      const { output } = await build(
        {
          contract: CONTRACT_VERSION,
          kind: 'build',
          id: randomUUID(),
          run: `ott@${date}`,
          task: `build ${model.name}`,
          generation,
          attempt: 1,
          pipeline: { name: pipeline.name, digest },
          window,
          model: model.name,
          inputs: model.inputs.map((input) => ({ table: input, version: versions.get(input) ?? -1 })),
        },
        { signal: AbortSignal.timeout(60_000), progress() {} },
      )
      if (output.kind === 'table') versions.set(model.name, output.version)
    }
  }
  return {
    models: pipeline.models.map(({ name }) => name),
    runDay: async (date: string, tables: Tables) => await runDay(date, tables, 1),
    /** Builds a day's models over the tables as they are now. */
    runAgain: async (date: string) => await runDay(date, {}, 2),
    async rows<Result>(sql: string): Promise<Result[]> {
      await using views = new AsyncDisposableStack()
      await using reading = await engine.session()
      for (const name of ['_rejects', ...versions.keys()]) {
        const view = await table(name === '_rejects' ? '_rejects/fact_watch' : name).view(reading)
        if (view !== undefined)
          await reading.run(`CREATE TEMP VIEW ${name} AS SELECT * FROM ${views.use(view).relation} AS t`)
      }
      return await reading.rows<Result>(sql)
    },
    [Symbol.asyncDispose]: async () => await stack.disposeAsync(),
  }
}

function valueOf(value: Row[string] | undefined): string {
  if (value === null || value === undefined) return 'NULL'
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`
  return typeof value === 'string' ? literal(value) : String(value)
}
