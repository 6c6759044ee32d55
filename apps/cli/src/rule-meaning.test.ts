import { createDirectoryLake } from '@cinelake/lake/directory'
import { type CheckedPipeline, freezePipeline } from '@cinelake/pipeline'
import { temporaryDirectory } from '@cinelake/testkit'
import { expect, test } from 'vitest'
import { ruleMeanings } from './commands/rejects.ts'

const RULES = [
  ['score >= 0 AND score <= 10', '0…10'],
  ['score BETWEEN -1.5 AND 10', '-1.5…10'],
  ['score >= 0 AND votes <= 10', 'score >= 0 AND votes <= 10'],
  ['score >=\n  0', 'score >= 0'],
] as const

test('what a rule asks is told in short', async () => {
  await using directory = await temporaryDirectory()
  await using lake = await createDirectoryLake(directory.path)
  const rowRules = RULES.map(
    ([expression], index) => ({ name: `rule_${index}`, severity: 'error', expression }) as const,
  )
  const columns = ['score', 'votes'].map((name) => ({
    name,
    type: 'INTEGER',
    required: false,
    reading: { from: [name] },
  }))
  const pipeline: CheckedPipeline = {
    format: 1,
    name: 'shop',
    schedule: { every: 'day', timeZone: 'UTC', start: '2026-03-01', delayMs: 0 },
    retry: { maxAttempts: 1, backoffMs: 0, maxBackoffMs: 0 },
    sources: [{ type: 'files', name: 'shop', path: 'in', datasets: [] }],
    datasets: [
      {
        name: 'titles',
        source: 'shop',
        sourceDataset: 'titles',
        mode: 'snapshot',
        newestBy: [],
        duplicates: 'newest',
        partitionBy: [],
        reading: { header: true, nulls: [] },
        contract: { id: 'titles', version: '1', columns, primaryKey: [], rowRules, tableRules: [] },
      },
    ],
    models: [],
    serve: [],
  }
  const { path, text } = freezePipeline(pipeline)
  await lake.put(path, text)

  const meaning = await ruleMeanings(lake, { pipeline: 'shop', table: 'titles' })

  expect(RULES.map((_, index) => meaning(`rule_${index}`))).toEqual(RULES.map(([, short]) => short))
})
