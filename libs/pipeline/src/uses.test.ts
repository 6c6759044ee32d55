import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { GOOD, lineOf, textFolder, withText, type Files } from './fixtures/text-folder.fixture.ts'
import { openTypers } from './fixtures/typer.fixture.ts'
import type { PipelineFolder } from './folder.ts'
import { planRun } from './plan.ts'
import { formatProblem } from '@cinelake/config-text'
import { readPipeline } from './read-pipeline.ts'

let typers: Awaited<ReturnType<typeof openTypers>>
beforeAll(async () => void (typers = await openTypers()))
afterAll(async () => await typers[Symbol.asyncDispose]())

const header = 'schedule: { every: day, start: 2026-03-01 }\nsources: {}\n'
const REPORTS: Files = {
  'pipeline.yaml': `pipeline: reports\n${header}uses: [shop.sales, shop.users]\nserve: [days]\n`,
  'models/days.sql': 'SELECT ordered_on, sales.amount AS total FROM shop.sales',
  'models/people.sql': 'SELECT u.user_id, u.email AS address FROM days JOIN shop.users AS u ON true',
}

/** Folders beside each other, by the path that each has from any of them. */
function among(folders: Readonly<Record<string, Files>>, of: string): PipelineFolder {
  return {
    ...textFolder(folders[of] ?? {}),
    other: (path) => among(folders, path.replace(/^\.\.\//, '')),
  }
}

const read = async (folders: Readonly<Record<string, Files>>, of = 'reports') =>
  await readPipeline(among({ shop: GOOD, ...folders }, of), { typer: await typers.typer() })

test('a model reads a table of another pipeline, with its types, and the plan names it', async () => {
  const { pipeline, problems } = await read({ reports: REPORTS })

  expect(problems.map(formatProblem)).toEqual([])
  expect(pipeline?.uses).toEqual(['shop.sales', 'shop.users'])
  expect(pipeline?.models).toMatchObject([
    {
      name: 'days',
      inputs: ['shop.sales'],
      sql: 'SELECT ordered_on, sales.amount AS total FROM "shop.sales" AS "sales"',
      columns: [
        { name: 'ordered_on', type: 'DATE' },
        { name: 'total', type: 'DECIMAL(38,2)' },
      ],
    },
    { name: 'people', inputs: ['days', 'shop.users'] },
  ])
  expect(pipeline === undefined ? [] : planRun(pipeline)).toMatchObject([
    { name: 'build days', needs: [], work: { inputs: [], uses: ['shop.sales'] } },
    { name: 'build people', needs: ['build days'], work: { inputs: ['days'], uses: ['shop.users'] } },
    { name: 'load days' },
  ])
})

test('personal data stays personal in the other pipeline, and may not leave by it', async () => {
  const served = { ...REPORTS, 'pipeline.yaml': REPORTS['pipeline.yaml']?.replace('[days]', '[days, people]') ?? '' }

  const { pipeline, problems } = await read({ reports: served })

  expect(pipeline).toBeUndefined()
  expect(problems).toMatchObject([
    { message: '`people` would carry personal data to the mart: `address`, from shop.users.email', severity: 'error' },
  ])
})

test('tables of one name in both pipelines are two, whatever the case that names are written in', async () => {
  const own = {
    'pipeline.yaml': `pipeline: reports\n${header}uses: [{ table: shop.sales, from: ../elsewhere }]\n`,
    'models/sales.sql': `/*\nrowsIn: SELECT count(*) FROM SHOP.Sales\n*/\nSELECT a.ordered_on, b.amount\nFROM Shop.SALES a JOIN shop . "sales" AS b USING (ordered_on)`,
  }

  const { pipeline, problems } = await read({ reports: own, elsewhere: GOOD })

  expect(problems.map(formatProblem)).toEqual([])
  expect(pipeline?.models).toMatchObject([
    {
      name: 'sales',
      inputs: ['shop.sales'],
      rowsIn: 'SELECT count(*) FROM "shop.sales" AS "Sales"',
      sql: 'SELECT a.ordered_on, b.amount\nFROM "shop.sales" a JOIN "shop.sales" AS b USING (ordered_on)',
    },
  ])
})

test('a pipeline may use one that uses another', async () => {
  const top = {
    'pipeline.yaml': `pipeline: top\n${header}uses: [reports.people]\nserve: [emails]\n`,
    'models/emails.sql': 'SELECT count(address) AS known, max(address) AS last FROM reports.people',
  }

  const { problems } = await read({ top, reports: REPORTS }, 'top')

  expect(problems).toMatchObject([{ message: expect.stringContaining('`last`, from reports.shop.users.email') }])
})

describe('what is wrong is told with its place and what would be right', () => {
  const P = 'pipeline.yaml'
  const uses = (text: string, more: Files = {}) => ({
    ...REPORTS,
    ...more,
    [P]: REPORTS[P]?.replace('[shop.sales, shop.users]', text) ?? '',
  })
  test.each<[string, Files, string, string, string, string]>([
    [
      'a table of another pipeline without `uses`',
      uses('[shop.users]'),
      'models/days.sql',
      'SELECT',
      '`shop.sales` is a table of some schema, or of a pipeline that `uses` does not name',
      'add `uses: [shop.sales]` to pipeline.yaml',
    ],
    [
      'a used table by its bare name',
      uses('[shop.sales, shop.users]', { 'models/days.sql': 'SELECT ordered_on FROM sales' }),
      'models/days.sql',
      'SELECT',
      'unknown table `sales`',
      'write `shop.sales`',
    ],
    ['a misspelled table', uses('[shop.salez]'), P, 'uses', '`shop` has no table `salez`', 'did you mean `sales`?'],
    ['a folder that is not there', uses('[ott.x]'), P, 'uses', "`ott` is not in the folder '../ott'", 'from: FOLDER'],
    [
      'a folder of another pipeline',
      uses('[{ table: ott.x, from: ../shop }]'),
      P,
      'uses',
      "the folder '../shop' is of the pipeline `shop`",
      'with `from`',
    ],
    ['a table of its own', uses('[reports.days]'), P, 'uses', '`reports.days` is a table of this', 'write `days`'],
    ['a table twice', uses('[shop.sales, SHOP.SALES]'), P, 'uses', '`SHOP.SALES` is used twice', 'remove one'],
    ['a name without a pipeline', uses('[sales]'), P, 'uses', "got the text 'sales'", 'such as `ott.dim_title`'],
    [
      'a column that the table does not have',
      uses('[shop.sales, shop.users]', { 'models/days.sql': 'SELECT 1 AS one,\n  s.nope FROM shop.sales AS s' }),
      'models/days.sql',
      '  s.nope',
      'nope',
      'ordered_on',
    ],
  ])('%s', async (_, files, file, at, message, remedy) => {
    const { pipeline, problems } = await read({ reports: files })

    expect(pipeline).toBeUndefined()
    expect(problems.find((problem) => problem.message.includes(message))).toMatchObject({
      file,
      line: lineOf(files, file, at),
      remedy: expect.stringContaining(remedy),
    })
  })

  test('pipelines that use each other', async () => {
    const shop = withText(GOOD, P, 'serve:', 'uses: [reports.days]\nserve:')

    const { problems } = await read({ reports: REPORTS, shop })

    expect(problems.map(formatProblem).join('\n')).toMatch(/pipelines use each other: `reports` → `shop` → `reports`/)
  })

  test('errors in the other pipeline', async () => {
    const shop = withText(GOOD, P, 'duplicates: fill', 'duplicate: fill')

    const { problems } = await read({ reports: REPORTS, shop })

    expect(problems).toHaveLength(1)
    expect(problems[0]?.message).toMatch(
      /the pipeline `shop` has errors, the first of them at \.\.\/shop\/pipeline\.yaml:\d+/,
    )
  })

  test('a used table that no model reads is a warning', async () => {
    const { pipeline, problems } = await read({ reports: uses('[shop.sales, shop.users, shop.orders]') })

    expect(pipeline).toBeDefined()
    expect(problems).toMatchObject([{ severity: 'warning', message: 'no model reads `shop.orders`' }])
  })
})
