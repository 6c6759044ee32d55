import { afterAll, beforeAll, expect, test } from 'vitest'
import { GOOD, textFolder, withText, type Files } from './fixtures/text-folder.fixture.ts'
import { openTypers } from './fixtures/typer.fixture.ts'
import { formatProblem } from '@cinelake/config-text'
import { pipelineError, readPipeline } from './read-pipeline.ts'

let typers: Awaited<ReturnType<typeof openTypers>>
beforeAll(async () => {
  typers = await openTypers()
})
afterAll(async () => {
  await typers[Symbol.asyncDispose]()
})

const read = async (files: Files) => await readPipeline(textFolder(files), { typer: await typers.typer() })

/** Each change is one mistake, in one of several files. */
const MISTAKES: readonly (readonly [file: string, text: string, by: string])[] = [
  ['pipeline.yaml', 'delay: 3h', 'dealy: 3h'],
  ['pipeline.yaml', 'attempts: 3', 'attempts: many'],
  ['pipeline.yaml', "'orders_{yyyy}", "'orders_{year}"],
  ['pipeline.yaml', 'newestBy: [updated_at]', 'newestBy: [changed_at]'],
  ['pipeline.yaml', '- sales\n', '- seles\n'],
  ['contracts/orders.yaml', "physicalType: 'DECIMAL(12,2)'", 'physicalType: MONEY'],
  ['contracts/orders.yaml', 'metric: rowCount', 'metric: rowcounts'],
  ['contracts/users.yaml', 'status: active\n', ''],
  ['contracts/payments.yaml', 'primaryKeyPosition: 2', 'primaryKeyPosition: 3'],
  ['models/dim_user.sql', 'key: [user_id]', 'key: [id]'],
  ['models/user_sales.sql', 'materialization: merge', 'materialization: mrge'],
]

test('a folder with many mistakes has all of them reported, by file and line, and nothing else', async () => {
  const files = MISTAKES.reduce((broken, [file, text, by]) => withText(broken, file, text, by), GOOD)

  const { pipeline, problems } = await read(files)

  expect(pipeline).toBeUndefined()
  expect(problems.map(({ file, line, message }) => `${file}:${line} ${message}`)).toEqual([
    'contracts/orders.yaml:12 column `amount`: unknown physicalType `MONEY`',
    "contracts/orders.yaml:23 `schema.0.quality.1.metric` is wrong: got the text 'rowcounts'",
    'contracts/payments.yaml:9 column `order_id` has primaryKeyPosition 3 in a primary key of 2',
    'contracts/users.yaml:1 `status` is missing',
    'models/dim_user.sql:4 `key` names `id`, which the SELECT does not give',
    "models/user_sales.sql:2 `materialization` is wrong: got the text 'mrge'",
    'pipeline.yaml:3 unknown key `dealy` in `schedule`',
    "pipeline.yaml:4 `retry.attempts` is wrong: got the text 'many'",
    'pipeline.yaml:11 unknown part `{year}` in a file pattern',
    'pipeline.yaml:13 `newestBy` names the unknown column `changed_at`',
    'pipeline.yaml:37 unknown table `seles`',
  ])
})

test('a dataset whose text is wrong is not unknown to those that read it', async () => {
  const files = withText(GOOD, 'pipeline.yaml', "        files: 'orders_{yyyy}{MM}{dd}*.csv'\n", '')

  const { problems } = await read(files)

  expect(problems.map(formatProblem)).toEqual([
    'pipeline.yaml:10:7 error: `orders` has no `files`; say which files it has, or name it in the `explode` of another dataset',
  ])
})

test('the errors make one error for those who need the pipeline, warnings do not', async () => {
  const files = withText(GOOD, 'pipeline.yaml', '- sales\n', '- seles\n')
  const { problems } = await read({ ...files, 'models/m.sql': 'SELECT user_id FROM orders LIMIT 1' })

  const error = pipelineError('shop', problems)

  expect(problems).toHaveLength(2)
  expect(error).toMatchObject({ code: 'CONFIG_INVALID', retryable: false })
  expect(error.problems).toEqual(['pipeline.yaml:37:5 error: unknown table `seles`; did you mean `sales`?'])
})

test('texts that are no pipeline at all are problems, not crashes', async () => {
  for (const text of [
    '',
    'a',
    '[]',
    '7',
    'null',
    '- a\n- b',
    '{',
    '"',
    '&a [*a]',
    '\u0000',
    'pipeline: {a: 1}',
    'sources: []',
    'serve: 7',
    'a: *b',
    '<<: 1',
  ]) {
    const { pipeline, problems } = await read({ ...GOOD, 'pipeline.yaml': text })

    expect(pipeline).toBeUndefined()
    expect(problems.length).toBeGreaterThan(0)
  }
})

test('contracts and models that are none are problems, not crashes', async () => {
  for (const text of [
    '',
    '[]',
    'schema: 1',
    'schema: [1]',
    '/*',
    '/* a: [ */ SELECT',
    '*/',
    "SELECT '",
    '((((',
    'SELECT :',
    ';',
    '--',
  ]) {
    const { problems } = await read({ ...GOOD, 'contracts/users.yaml': text, 'models/m.sql': text })

    expect(problems.filter(({ file }) => file === 'contracts/users.yaml').length).toBeGreaterThan(0)
    expect(problems.filter(({ file }) => file === 'models/m.sql').length).toBeGreaterThan(0)
  }
})
