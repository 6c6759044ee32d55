import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { sharedData } from '@cinelake/testkit'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { aColumn, aDataset, aRefinery, type Refinery } from './refinery.fixture.ts'

const spectrum = sharedData('malformed_csv_csv-spectrum')
const testData = sharedData('malformed_csv_csv-test-data')
const titles = sharedData('netflix_titles_credits')

let refinery: Refinery

beforeAll(async () => {
  refinery = await aRefinery()
})
afterAll(async () => {
  await refinery[Symbol.asyncDispose]()
})

const namesIn = (folder: string | undefined) =>
  folder === undefined ? [] : readdirSync(folder).map((file) => basename(file, '.csv'))
const jsonOf = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'))

type Row = Readonly<Record<string, string>>

/** As refining leaves texts: without blanks around them, and null where there is nothing else. */
const refined = (row: Row) =>
  Object.fromEntries(
    Object.entries(row).map(([name, text]) => [name.replaceAll(' ', '_'), text.trim() === '' ? null : text.trim()]),
  )

let datasetCount = 0

/** Refines one file as a table of text; rows that are the same all over count as duplicates. */
async function refineFile(file: string, columns: readonly string[], header: boolean) {
  const dataset = aDataset({
    name: `corpus_${datasetCount++}`,
    columns: columns.map((name) => aColumn(name.replaceAll(' ', '_'), { reading: { from: [name] } })),
    reading: { header },
  })
  const outcome = await refinery.refineFiles(dataset, { files: { [basename(file)]: readFileSync(file) } })
  const rows = await refinery.rowsOf(dataset.name)
  const rejects = await refinery.rowsOf(`_rejects/${dataset.name}`, 'line')
  return { outcome, rows: rows.map(({ _window, ...row }) => row), rejects }
}

/** Rows are a set: a table has no order, and of equal rows one is kept. */
const asSet = (rows: readonly unknown[]) =>
  [...new Set(rows.map((row) => JSON.stringify(row)))].toSorted((one, other) => (one < other ? -1 : 1))

describe.skipIf(spectrum === undefined)('csv-spectrum (needs ../shared/data)', () => {
  test.each(namesIn(spectrum && join(spectrum, 'csvs')))('%s has the rows that it should', async (name) => {
    const json = jsonOf(join(spectrum ?? '', 'json', `${name}.json`))
    const expected = (Array.isArray(json) ? json : [json]) as Row[]
    const { outcome, rows, rejects } = await refineFile(
      join(spectrum ?? '', 'csvs', `${name}.csv`),
      Object.keys(expected[0] ?? {}),
      true,
    )
    expect(rejects).toEqual([])
    expect(outcome.balance.in).toBe(expected.length)
    // The corpus gives another number than its file has.
    const known =
      name === 'location_coordinates'
        ? expected.map((row) => ({ ...row, 'Contact Phone Number': '2095257564' }))
        : expected
    expect(asSet(rows)).toEqual(asSet(known.map(refined)))
  })
})

describe.skipIf(testData === undefined)('csv-test-data (needs ../shared/data)', () => {
  const names = namesIn(testData && join(testData, 'csv'))
  const fileOf = (name: string) => join(testData ?? '', 'csv', `${name}.csv`)
  const expectedOf = (name: string) => jsonOf(join(testData ?? '', 'json', `${name}.json`))

  test.each(names.filter((name) => name.startsWith('header-')))('%s has the rows that it should', async (name) => {
    const { rows, rejects } = await refineFile(fileOf(name), ['foo', 'bar', 'baz'], true)
    expect(rejects).toEqual([])
    expect(asSet(rows)).toEqual(asSet((expectedOf(name) as Row[]).map(refined)))
  })

  test.each(names.filter((name) => !/^(?:bad|header)-/.test(name)))(
    '%s has the rows that it should, without a header',
    async (name) => {
      const expected = expectedOf(name) as string[][]
      const columns = ['first', 'second', 'third'].slice(0, expected[0]?.length)
      const { outcome, rows, rejects } = await refineFile(fileOf(name), columns, false)
      expect(rejects).toEqual([])
      expect(outcome.balance.in).toBe(expected.length)
      const asRows = expected.map((fields) =>
        refined(Object.fromEntries(fields.map((text, index) => [columns[index] ?? '', text]))),
      )
      expect(asSet(rows)).toEqual(asSet(asRows))
    },
  )

  test.each([
    'bad-header-less-fields',
    'bad-header-more-fields',
    'bad-missing-quote',
    'bad-quotes-with-unescaped-quote',
  ])('%s has one rejected row', async (name) => {
    const { outcome, rows, rejects } = await refineFile(fileOf(name), ['foo', 'bar', 'baz'], true)
    const raw = readFileSync(fileOf(name), 'utf8').split('\n')[1]
    expect(rows).toEqual([])
    expect(outcome).toMatchObject({ balance: { in: 1, out: 0, rejected: 1 }, rejects: { row_shape: 1 } })
    expect(rejects).toMatchObject([{ rule: 'row_shape', file: `${name}.csv`, line: 2, raw }])
  })

  test('bad-unescaped-quote has its row: quotes within a field without quotes are text', async () => {
    const { rows, rejects } = await refineFile(fileOf('bad-unescaped-quote'), ['foo', 'bar', 'baz'], true)
    expect(rejects).toEqual([])
    expect(rows).toEqual([{ foo: '1', bar: 'This "quotes" must be escaped', baz: '3' }])
  })

  test.each(['bad-header-no-header', 'bad-header-wrong-header'])('%s cannot be read', async (name) => {
    await expect(refineFile(fileOf(name), ['foo', 'bar', 'baz'], true)).rejects.toMatchObject({
      code: 'REFINE_HEADER_MISMATCH',
      message: expect.stringContaining(`${name}.csv`),
    })
  })
})

describe.skipIf(titles === undefined)('a real catalogue (needs ../shared/data)', () => {
  const read = (file: string) => ({ [file]: readFileSync(join(titles ?? '', file)) })

  test('every title is a typed row, lists and numbers that were floats among them', async () => {
    const dataset = aDataset({
      name: 'raw_titles',
      mode: 'merge',
      contract: {
        primaryKey: ['title_id'],
        rowRules: [{ name: 'runtime_known', severity: 'warn', expression: 'runtime > 0' }],
      },
      columns: [
        aColumn('title_id', { required: true, reading: { from: ['id'] } }),
        aColumn('title', { required: true }),
        aColumn('release_year', { type: 'INTEGER' }),
        aColumn('runtime', { type: 'INTEGER' }),
        aColumn('seasons', { type: 'INTEGER' }),
        aColumn('genres', { type: 'VARCHAR[]' }),
        aColumn('imdb_score', { type: 'DECIMAL(3,1)' }),
        aColumn('imdb_votes', { type: 'BIGINT' }),
      ],
    })
    const { balance, quality } = await refinery.refineFiles(dataset, { files: read('raw_titles.csv') })
    expect(balance).toEqual({ unit: 'rows', in: 5806, out: 5805, rejected: 1, duplicates: 0 })
    expect(quality).toContainEqual(expect.objectContaining({ rule: 'runtime_known', failed: 24 }))
    const rejects = await refinery.rowsOf('_rejects/raw_titles', 'kept, line', 'rule, file, line, kept')
    expect(rejects[0]).toEqual({
      rule: 'required(title)',
      file: 'raw_titles.csv',
      line: expect.any(Number),
      kept: false,
    })
    expect(rejects.filter(({ kept }) => kept)).toHaveLength(24)
    const [counts] = await refinery.rowsOf(
      'raw_titles',
      '1',
      'count(*) FILTER (WHERE imdb_score IS NULL) AS unscored, count(*) FILTER (WHERE len(genres) = 0) AS ungenred, max(imdb_votes) AS most_votes, count(seasons) AS shows',
    )
    // Its SOURCE.md counts 523 and 68: the row without a title is one of each.
    expect(counts).toEqual({ unscored: 522, ungenred: 67, most_votes: 2_268_288, shows: 2047 })
  })

  test('every credit is a row, whatever quotes are in it', async () => {
    const columns = ['index', 'person_id', 'id', 'name', 'character', 'role'].map((name) => aColumn(name))
    const { balance } = await refinery.refineFiles(aDataset({ name: 'raw_credits', columns }), {
      files: read('raw_credits.csv'),
    })
    expect(balance).toEqual({ unit: 'rows', in: 77_213, out: 77_213, rejected: 0, duplicates: 0 })
    const [counts] = await refinery.rowsOf(
      'raw_credits',
      '1',
      `count(*) FILTER (WHERE contains(character, '"')) AS quoted, count(*) FILTER (WHERE contains(character, '''')) AS apostrophes`,
    )
    expect(counts).toEqual({ quoted: 379, apostrophes: 2783 })
  })
})
