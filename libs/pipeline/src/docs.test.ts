import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { OPERATORS } from './text/contract-schema.ts'
import { textFolder, withText, type Files } from './fixtures/text-folder.fixture.ts'
import { openTypers } from './fixtures/typer.fixture.ts'
import { formatProblem } from './problem.ts'
import { readPipeline } from './read-pipeline.ts'
import { ModelHeader } from './text/model-header.ts'
import { pipelineJsonSchema } from './text/pipeline-schema.ts'

const docs = readFileSync(new URL('../../../docs/pipeline.md', import.meta.url), 'utf8')

/** The files that a page shows, as a reader would write them: ```` ```yaml file=bikes/pipeline.yaml ````. */
function filesIn(page: string, folder: string): Files {
  const blocks = [...page.matchAll(/^```\w+ file=(\S+)\n([\s\S]*?)^```$/gm)]
  return Object.fromEntries(blocks.map(([, file = '', content = '']) => [file.replace(`${folder}/`, ''), content]))
}

describe('the tutorial', () => {
  let typers: Awaited<ReturnType<typeof openTypers>>
  beforeAll(async () => {
    typers = await openTypers()
  })
  afterAll(async () => {
    await typers[Symbol.asyncDispose]()
  })

  test('its files are a pipeline without a fault', async () => {
    const files = filesIn(docs, 'bikes')

    const { pipeline, problems } = await readPipeline(textFolder(files), { typer: await typers.typer() })

    expect(problems.map(formatProblem)).toEqual([])
    expect(pipeline?.models.map(({ name }) => name)).toEqual(['rentals_by_day'])
    expect(Object.keys(files)).toContain('drop/rentals_20260301.csv')
  })

  test('the mistake that it shows is reported as it says', async () => {
    const files = withText(filesIn(docs, 'bikes'), 'models/rentals_by_day.sql', 'FROM rentals', 'FROM rental')

    const { problems } = await readPipeline(textFolder(files), { typer: await typers.typer() })

    for (const problem of problems) expect(docs).toContain(`\n${formatProblem(problem)}\n`)
    expect(problems).toHaveLength(1)
  })
})

describe('the reference', () => {
  const keys = new Set([...keysOf(pipelineJsonSchema()), ...Object.keys(ModelHeader.shape)])

  test.each([...keys, ...Object.keys(OPERATORS)].sort())('names %s', (key) => {
    expect(docs).toMatch(new RegExp(`\`[^\`\n]*\\b${key}\\b[^\`\n]*\``))
  })
})

test('the published JSON Schema is that of the code: `pnpm --filter @cinelake/pipeline schema` writes it', () => {
  const published: unknown = JSON.parse(readFileSync(new URL('../pipeline.schema.json', import.meta.url), 'utf8'))

  expect(published).toEqual(JSON.parse(JSON.stringify(pipelineJsonSchema())))
})

function* keysOf(schema: unknown): Generator<string> {
  if (typeof schema !== 'object' || schema === null) return
  for (const [key, value] of Object.entries(schema)) {
    if (key === 'properties' && typeof value === 'object' && value !== null) yield* Object.keys(value)
    yield* keysOf(value)
  }
}
