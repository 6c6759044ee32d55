import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { GOOD, textFolder, type Files } from './fixtures/text-folder.fixture.ts'
import { openTypers } from './fixtures/typer.fixture.ts'
import { planRun } from './plan.ts'
import { readPipeline } from './read-pipeline.ts'
import { changedPlaces } from './text-changes.ts'

let typers: Awaited<ReturnType<typeof openTypers>>
beforeAll(async () => {
  typers = await openTypers()
})
afterAll(async () => await typers[Symbol.asyncDispose]())

const read = async (files: Files) => {
  const { pipeline, problems } = await readPipeline(textFolder(files), { typer: await typers.typer() })
  if (pipeline === undefined) throw new Error(problems.map(({ message }) => message).join('; '))
  return pipeline
}

/** The tasks that another text of a file concerns, with the places that are told. */
async function changedBy(file: string, from: string | RegExp, to: string, good: Files = GOOD) {
  const content = good[file] ?? ''
  expect(content).not.toBe(content.replace(from, to))
  const [before, after] = await Promise.all([read(good), read({ ...good, [file]: content.replace(from, to) })])
  return Object.fromEntries(
    planRun(after).flatMap((task) => {
      const places = changedPlaces(before, after, task)
      return places.length === 0 ? [] : [[task.name, places]]
    }),
  )
}

describe('what a text concerns', () => {
  test.each([
    ['models/sales.sql', 'updated_at <', 'updated_at <=', { 'build sales': ['models/sales.sql'] }],
    ['models/sales.sql', 'In euros.', 'In cents.', {}],
    ['models/sales.sql', "row: 'amount >= 0'", "row: 'amount > 0'", { 'build sales': ['models/sales.sql'] }],
    ['contracts/orders.yaml', 'amount > 0', 'amount > 1', { 'refine orders': ['contracts/orders.yaml'] }],
    ['contracts/orders.yaml', 'DECIMAL(12,2)', 'DECIMAL(14,2)', { 'refine orders': ['contracts/orders.yaml'] }],
    [
      'contracts/orders.yaml',
      '      - { name: tags,',
      '      - { name: channel, logicalType: string }\n      - { name: tags,',
      { 'refine orders': ['contracts/orders.yaml'] },
    ],
    ['contracts/orders.yaml', 'version: 1.0.0', 'version: 1.0.1', {}],
    ['contracts/orders.yaml', 'Orders, one row each.', 'All orders.', {}],
    [
      'pipeline.yaml',
      'decimal: any',
      "decimal: ','",
      { 'refine orders': ['pipeline.yaml (sources.files.datasets.orders)'] },
    ],
    [
      'pipeline.yaml',
      'orders_{yyyy}{MM}{dd}*.csv',
      'orders_{yyyy}-{MM}-{dd}*.csv',
      { 'ingest files/orders': ['pipeline.yaml (sources.files.datasets.orders)'] },
    ],
    ['pipeline.yaml', '/v1/users', '/v2/users', { 'ingest crm/users': ['pipeline.yaml (sources.crm.datasets.users)'] }],
    ['pipeline.yaml', 'as: users', 'as: people', { 'load dim_user': ['pipeline.yaml (serve.dim_user)'] }],
    ['pipeline.yaml', 'attempts: 3', 'attempts: 4', {}],
    ['pipeline.yaml', 'What a shop sells.', 'Of a shop.', {}],
  ])('%s with `%s` as `%s` concerns %j', async (file, from, to, concerned) => {
    expect(await changedBy(file, from, to)).toEqual(concerned)
  })

  test('is told by where it is in the folder, also where that is another place than usual', async () => {
    const { 'contracts/orders.yaml': orders = '', 'models/sales.sql': sales = '', ...rest } = GOOD
    const models = Object.entries(rest).filter(([file]) => file.startsWith('models/'))
    const moved: Files = {
      ...Object.fromEntries(Object.entries(rest).filter(([file]) => !file.startsWith('models/'))),
      ...Object.fromEntries(models.map(([file, content]) => [file.replace('models/', 'sql/'), content])),
      'sql/sales.sql': sales,
      'shared/shop.yaml': orders,
      'pipeline.yaml': `${rest['pipeline.yaml']}models: { path: sql }\n`.replace(
        /^( *)mode: merge$/m,
        '$1mode: merge\n$1contract: shared/shop.yaml',
      ),
    }

    expect(await changedBy('sql/sales.sql', 'updated_at <', 'updated_at <=', moved)).toEqual({
      'build sales': ['sql/sales.sql'],
    })
    expect(await changedBy('shared/shop.yaml', 'amount > 0', 'amount > 1', moved)).toEqual({
      'refine orders': ['shared/shop.yaml'],
    })
  })
})
