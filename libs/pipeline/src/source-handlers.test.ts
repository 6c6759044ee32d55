import type { Discover, Ingest } from '@cinelake/contracts'
import type { SourceTasks } from '@cinelake/source-kind'
import { expect, test } from 'vitest'
import type { CheckedPipeline } from './checked-pipeline.ts'
import { freezePipeline } from './checked-pipeline.ts'
import { sourceHandlers } from './source-handlers.ts'
import type { CheckedSource } from './source-kinds.ts'

const context = { signal: new AbortController().signal }
const pipeline: CheckedPipeline = {
  format: 1,
  name: 'shop',
  schedule: { every: 'day', timeZone: 'UTC', start: '2026-03-01', delayMs: 0 },
  retry: { maxAttempts: 1, backoffMs: 0, maxBackoffMs: 0 },
  sources: [
    { type: 'files', name: 'catalogue', path: '/drop', datasets: [] },
    { type: 'database', name: 'billing', url: 'postgres://host/db', include: [], exclude: [], datasets: [] },
  ],
  datasets: [],
  models: [],
  serve: [],
}

function given() {
  const { path, text, digest } = freezePipeline(pipeline)
  const lake = { readText: async (asked: string) => (asked === path ? text : undefined) }
  const header = { task: 'task of the test', pipeline: { name: 'shop', digest } }
  return {
    lake,
    ingest: (source: string) => ({ ...header, source, dataset: 'titles' }) as Ingest,
    discover: (source: string) => ({ ...header, source }) as Discover,
  }
}

/** Answers what it was asked. */
const kind = (name: string): SourceTasks<CheckedSource, typeof context, string> => ({
  ingest: async (command, { pipeline: { name: of }, source }) => `${name} ingests ${source.name} of ${of}`,
})

test('a command goes to the kind that its source is of', async () => {
  const { lake, ingest, discover } = given()
  const database = { ...kind('database'), discover: async () => 'tables' }

  const handlers = sourceHandlers(lake, { files: kind('files'), database })

  expect(await handlers.ingest(ingest('catalogue'), context)).toBe('files ingests catalogue of shop')
  expect(await handlers.ingest(ingest('billing'), context)).toBe('database ingests billing of shop')
  expect(await handlers.discover?.(discover('billing'), context)).toBe('tables')
})

test.each([
  ['a source that the pipeline does not have', 'nowhere'],
  ['a source of a kind that the service does not work for', 'billing'],
])('a command for %s is refused for good', async (_, source) => {
  const { lake, ingest } = given()

  await expect(sourceHandlers(lake, { files: kind('files') }).ingest(ingest(source), context)).rejects.toMatchObject({
    code: 'INGEST_COMMAND_UNKNOWN',
    retryable: false,
    message: expect.stringContaining(`expected ${source}/titles to be of a source of the kind files`),
  })
})

test('a listing of tables is refused where the kind has none, and no command of a service that lists nothing', async () => {
  const { lake, discover } = given()
  const database = { ...kind('database'), discover: async () => 'tables' }

  const refused = sourceHandlers(lake, { files: kind('files'), database }).discover?.(discover('catalogue'), context)

  await expect(refused).rejects.toMatchObject({ code: 'INGEST_COMMAND_UNKNOWN' })
  expect(sourceHandlers(lake, { files: kind('files') })).not.toHaveProperty('discover')
})
