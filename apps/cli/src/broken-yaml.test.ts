import { temporaryDirectory } from '@cinelake/testkit'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { aStarter, cinelake } from './testing.fixture.ts'

async function givenPipeline(sources: string) {
  const directory = await temporaryDirectory()
  const text = `pipeline: mine\nschedule: { every: day, start: 2026-03-01 }\nsources:\n${sources}`
  await writeFile(join(directory.path, 'pipeline.yaml'), text)
  return { folder: directory.path, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() }
}

const anApi = (auth: string) =>
  `  api:\n    type: rest\n    baseUrl: https://api.invalid\n    auth: { type: bearer, ${auth} }\n    datasets: { x: { path: /x } }\n`

/** Tokens that YAML takes for something else, or does not take at all. */
const TOKENS = [
  'token: @hunter2',
  'token: %hunter2',
  'token: `hunter2',
  'token: "hunter2',
  'token: "\\qhunter2"',
  'token: *hunter2',
  'token: &hunter2 *hunter2',
  'token: !hunter2 x',
  'token: [hunter2',
  'token: hunter2: hunter2',
  'token: x, token: hunter2',
]

describe.each([
  ['try', (folder: string) => ['try', 'api/x', folder]],
  ['try --write', (folder: string) => ['try', 'api/x', folder, '--write']],
  [
    'add rest',
    (folder: string) =>
      'add rest FOLDER --base-url https://crm.invalid --source crm --dataset users --path /users --mode snapshot'
        .split(' ')
        .map((word) => (word === 'FOLDER' ? folder : word)),
  ],
  ['validate', (folder: string) => ['validate', folder]],
])('%s', (_, command) => {
  test.each(TOKENS)('shows nothing of a pipeline with `%s`', async (token) => {
    await using given = await givenPipeline(anApi(token))

    const { exitCode, screen } = await cinelake(command(given.folder))

    expect(exitCode).not.toBe(0)
    expect(screen).toMatch(/pipeline\.yaml:[79]:\d+ +error:? /)
    expect(screen).not.toContain('hunter2')
  })
})

test.each(['try', 'validate'])('%s warns of no key that is a list by writing it out', async (command) => {
  const warnings: string[] = []
  const keep = ({ message }: Error) => void warnings.push(message)
  process.on('warning', keep)
  await using given = await givenPipeline(anApi('token: { ? [hunter2] : x }'))

  const { screen } = await cinelake([command, ...(command === 'try' ? ['api/x'] : []), given.folder])
  await new Promise((resolve) => void setImmediate(resolve))
  process.off('warning', keep)

  expect(screen).toContain('`sources.api.auth.token` is wrong')
  expect([screen, ...warnings].join('\n')).not.toContain('hunter2')
})

test('try says where the YAML is wrong, and what to do', async () => {
  await using given = await givenPipeline(anApi('token: *hunter2'))

  const { screen } = await cinelake(['try', 'api/x', given.folder])

  expect(screen).toContain(
    'pipeline.yaml:7:34 error: YAML cannot be read: an alias (`*name`) without its anchor, or a wrong one; put the text in quotes',
  )
})

test('try reads a dataset whose source uses an anchor of another one', async () => {
  await using given = await givenPipeline(
    '  a: { type: files, path: &drop /nowhere, datasets: {} }\n  b: { type: files, path: *drop, datasets: { x: { files: x.csv } } }\n',
  )

  const { screen } = await cinelake(['try', 'b/x', given.folder])

  expect(screen).toContain('/nowhere')
  expect(screen).not.toContain('alias')
})

test.each(['*hunter2', '!hunter2! x', '|hunter2'])('a file of tests with `%s` is told without it', async (name) => {
  await using starter = await aStarter()
  await mkdir(join(starter.folder, 'tests'), { recursive: true })
  await writeFile(join(starter.folder, 'tests/sales_by_day.yaml'), `tests:\n  - name: ${name}\n`)

  const { exitCode, screen } = await cinelake(['test', starter.folder])

  expect(exitCode).not.toBe(0)
  expect(screen).toContain('tests/sales_by_day.yaml:2: YAML cannot be read: ')
  expect(screen).not.toContain('hunter2')
})
