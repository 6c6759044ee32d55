import { afterAll, beforeAll, expect, test } from 'vitest'
import { columnReach } from './column-reach.ts'
import { GOOD, textFolder, withText, type Files } from './fixtures/text-folder.fixture.ts'
import { openTypers } from './fixtures/typer.fixture.ts'
import { readPipeline } from './read-pipeline.ts'
import { textChanges } from './text-changes.ts'

let typers: Awaited<ReturnType<typeof openTypers>>
beforeAll(async () => {
  typers = await openTypers()
})
afterAll(async () => await typers[Symbol.asyncDispose]())

const FILES: Files = {
  ...GOOD,
  'models/sales_by_user.sql': `/*
key: [user_id]
*/
SELECT o.user_id, u.country, sum(o.amount) AS amount FROM orders AS o JOIN users AS u USING (user_id)
WHERE o.minutes > 0 GROUP BY o.user_id, u.country
`,
  'models/country_sales.sql': `/*
key: [country]
*/
SELECT country, sum(amount) / 2 AS half, count(*) AS users FROM sales_by_user GROUP BY country
`,
  'pipeline.yaml': (GOOD['pipeline.yaml'] ?? '').replace(
    '  - sales\n',
    '  - { table: country_sales, as: countries }\n',
  ),
}

const read = async (files: Files) => {
  const { pipeline, problems } = await readPipeline(textFolder(files), { typer: await typers.typer() })
  if (pipeline === undefined) throw new Error(problems.map(({ message }) => message).join('; '))
  return pipeline
}

/** What a change reaches, by `table.column` (`table` for any column), as `model.column`. */
async function reachOf(after: Files, before: Files = FILES) {
  const [old, now] = [await read(before), await read(after)]
  const reach = await columnReach(await typers.typer(), old, now, await textChanges(old, now))
  return Object.fromEntries(
    reach.map(({ table, column, models, served }) => [
      column === undefined ? table : `${table}.${column}`,
      {
        models: models.flatMap(({ model, columns }) => columns.map((name) => `${model}.${name}`)),
        served: served.flatMap(({ as, columns }) => columns.map((name) => `${as}.${name}`)),
      },
    ]),
  )
}

test('a changed column reaches what is made from it, through models, and not what is filtered by it', async () => {
  const wider = withText(FILES, 'contracts/orders.yaml', 'DECIMAL(12,2)', 'DECIMAL(14,2)')

  expect(await reachOf(wider)).toEqual({
    'orders.amount': {
      models: ['sales_by_user.amount', 'country_sales.half', 'sales.amount'],
      served: ['countries.half'],
    },
  })
  const added = withText(
    wider,
    'contracts/orders.yaml',
    '{ name: user_id,',
    '{ name: extra, logicalType: string }\n      - { name: user_id,',
  )
  expect((await reachOf(added))['orders.extra']).toEqual({ models: [], served: [] })
  const text = withText(
    FILES,
    'contracts/orders.yaml',
    'name: minutes, logicalType: integer',
    'name: minutes, logicalType: number',
  )
  expect((await reachOf(text))['orders.minutes']).toEqual({ models: ['user_sales.minutes'], served: [] })
})

test('a renamed column reaches what was made from it and what is', async () => {
  const renamed = Object.fromEntries(
    Object.entries(FILES).map(([file, text]) => [
      file,
      file.startsWith('contracts/users')
        ? text.replace(
            'name: country, logicalType: string',
            'name: land, logicalType: string, customProperties: [{ property: cinelake.renamedFrom, value: [country] }]',
          )
        : file === 'models/country_sales.sql'
          ? text
          : text
              .replace('u.country, sum', 'u.land AS country, sum')
              .replace('o.user_id, u.country', 'o.user_id, u.land')
              .replace('email, country', 'email, land AS country'),
    ]),
  )

  expect((await reachOf(renamed))['users.land']).toEqual({
    models: ['sales_by_user.country', 'country_sales.country', 'dim_user.country'],
    served: ['countries.country', 'users.country'],
  })
})

test('another SELECT reaches everything that is made from its table; so does a table that is gone', async () => {
  const filtered = withText(FILES, 'models/sales_by_user.sql', 'o.minutes > 0', 'o.minutes > 1')
  const all = {
    models: ['country_sales.country', 'country_sales.half'],
    served: ['countries.country', 'countries.half'],
  }

  expect(await reachOf(filtered)).toEqual({ sales_by_user: all })
  const { 'models/sales_by_user.sql': _gone, ...others } = withText(
    FILES,
    'models/country_sales.sql',
    'sales_by_user',
    'sales',
  )
  const without = {
    ...others,
    'models/country_sales.sql': 'SELECT ordered_on, sum(amount) AS half FROM sales GROUP BY 1',
  }
  expect((await reachOf(without))['sales_by_user']).toEqual(all)
})
