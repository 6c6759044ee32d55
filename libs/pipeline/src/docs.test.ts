import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { OPERATORS } from './text/contract-schema.ts'
import { ModelHeader } from './text/read-model.ts'
import { pipelineJsonSchema } from './text/pipeline-schema.ts'

const docs = readFileSync(new URL('../../../docs/pipeline.md', import.meta.url), 'utf8')

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
