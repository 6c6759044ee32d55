// @module-tag slow: takes long
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { createIngestFilesHandlers } from '../apps/ingest-files/src/index.ts'
import { createTransformerHandlers } from '../apps/transformer/src/index.ts'
import { CONTRACT_VERSION } from '../libs/contracts/src/index.ts'
import { parseWindow, silentLog } from '../libs/core/src/index.ts'
import { createDeltaTable } from '../libs/delta/src/index.ts'
import { createDuckDbEngine } from '../libs/engine/src/duckdb/duckdb.ts'
import { createDirectoryLake } from '../libs/lake/src/directory/lake.ts'
import { createSqlTyper, formatProblem, freezePipeline, readPipeline } from '../libs/pipeline/src/index.ts'
import { writeCatalogueDrop } from '../libs/sample-company/src/catalogue-drop.ts'
import { dirtOf } from '../libs/sample-company/src/catalogue-dirt.ts'
import { companySize, titleCountOn, type CompanyKey } from '../libs/sample-company/src/company-size.ts'
import { titleOn, type Title } from '../libs/sample-company/src/titles.ts'
import { fixedClock, temporaryDirectory } from '../libs/testkit/src/index.ts'

/** The catalogue's three spellings, dirt and all, against what the company knows to be true. */

const company: CompanyKey = { seed: 3, size: companySize(0.45) }
const lostOnTheFirstDay = new Set(['date-typo', 'score-out-of-range', 'missing-id', 'cut-off', 'unknown-type'])

test('whatever a supplier writes, the refined title is the true one; what cannot be read is a reject until it is corrected', async () => {
  await using place = await given()

  const first = await place.runDay('2026-03-01', 0)
  const indices = Array.from({ length: titleCountOn(company.size, 0) }, (_, index) => index)
  const readable = indices.filter((index) => !lostOnTheFirstDay.has(dirtOf(index) ?? ''))
  expect(await place.titles()).toEqual(readable.map((index) => truth(titleOn(company, index, 0), dirtOf(index))))
  expect(Object.keys(first.rejects ?? {}).toSorted()).toEqual([
    'known_type',
    'required(title_id)',
    'row_shape',
    'score_range',
    'type(release_date)',
  ])

  await place.runDay('2026-03-02', 1)
  const later = Array.from({ length: titleCountOn(company.size, 1) }, (_, index) => index)
  const corrected = later.filter((index) => index < indices.length || !lostOnTheFirstDay.has(dirtOf(index) ?? ''))
  expect((await place.titles()).map(({ title_id }) => title_id)).toEqual(
    corrected.map((index) => titleOn(company, index, 1).id),
  )
})

/** What can be known of a title, given what was wrong with its row. */
function truth(title: Title, dirt: ReturnType<typeof dirtOf>) {
  const hasScore = dirt !== 'score-missing'
  return {
    title_id: title.id,
    title: title.name,
    type: title.type,
    genres: title.genres,
    runtime_minutes: dirt === 'runtime-zero' ? null : title.runtimeMinutes,
    release_date: title.releasedOn,
    date_added: title.addedOn,
    imdb_score: hasScore ? (title.scoreTenths / 10).toFixed(1) : null,
    imdb_votes: hasScore ? title.voteCount : null,
    views: title.viewCount,
    language: title.language,
    country: title.country,
    synopsis: title.synopsis,
  }
}

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
  const drops = `${directory.path}/catalogue`
  const fill = async (template: string) => template.replace(/^\$\{OTT_CATALOGUE.*\}$/, drops)
  const { ingest } = createIngestFilesHandlers({ lake, engine, fill, clock, log: silentLog })
  const { refine } = createTransformerHandlers({ lake, engine, clock, log: silentLog })
  const session = stack.use(await engine.session())
  const context = { signal: AbortSignal.timeout(60_000), progress() {} }

  return {
    async runDay(date: string, day: number) {
      await writeCatalogueDrop(company, day, drops)
      const window = parseWindow(pipeline.schedule, date)
      if (window === undefined || ingest === undefined || refine === undefined) throw new Error('not a day')
      const header = {
        contract: CONTRACT_VERSION,
        id: randomUUID(),
        run: `ott@${date}`,
        generation: 1,
        attempt: 1,
        window,
      } as const
      const common = { ...header, pipeline: { name: pipeline.name, digest } }
      const landed = await ingest(
        {
          ...common,
          kind: 'ingest',
          task: 'ingest catalogue/titles',
          source: 'catalogue',
          dataset: 'titles',
          since: null,
        },
        context,
      )
      const manifest = landed.output.kind === 'landed' ? landed.output.manifest : ''
      return await refine({ ...common, kind: 'refine', task: 'refine titles', dataset: 'titles', manifest }, context)
    },
    async titles() {
      await using view = await createDeltaTable({ lake, path: 'refined/ott/titles', clock }).view(session)
      return await session.rows<ReturnType<typeof truth>>(
        `SELECT * EXCLUDE (updated_at, _window) REPLACE (lower(language) AS language, replace(replace(synopsis, chr(13), ''), chr(10), ' ') AS synopsis)
         FROM ${view?.relation ?? ''} AS titles ORDER BY title_id`,
      )
    },
    [Symbol.asyncDispose]: async () => await stack.disposeAsync(),
  }
}
