// @module-tag slow: starts programs
import { temporaryDirectory } from '@cinelake/testkit'
import { expect, test } from 'vitest'
import { ended, launch, MINI, start, stop, writePipeline } from '../test/scheduler-process.ts'

test('the service serves its API, stops when told, and knows its runs when it is back', async () => {
  await using directory = await temporaryDirectory()
  await writePipeline(directory.path)

  await using first = await start(directory.path)
  const asked = await fetch(`${first.url}/v1/runs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ pipeline: 'mini', window: '2026-03-01' }),
  })
  expect([asked.status, await asked.json()]).toEqual([202, { runs: [{ runId: 'mini@2026-03-01', created: true }] }])
  expect(await stop(first.child)).toBe(0)

  await using second = await start(directory.path)
  const { runs } = (await (await fetch(`${second.url}/v1/runs`)).json()) as { runs: { id: string; state: string }[] }
  expect(runs.map(({ id, state }) => [id, state])).toEqual([['mini@2026-03-01', 'running']])
  expect(await stop(second.child)).toBe(0)
})

test('a schedule that starts thousands of years ago keeps it from nothing, and SIGTERM ends it', async () => {
  await using directory = await temporaryDirectory()
  await writePipeline(
    directory.path,
    MINI.replace('every: day, start: 2026-03-01', 'every: hour, start: 0001-01-01T00'),
  )

  await using service = await start(directory.path, {
    CINELAKE_SCHEDULER_SCHEDULE: 'on',
    CINELAKE_SCHEDULER_SWEEP_SECONDS: '0.05',
  })
  const post = async (body: object) =>
    await fetch(`${service.url}/v1/runs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ pipeline: 'mini', ...body }),
    })
  const tooMany = await post({ from: '0001-01-01T00', to: '2026-03-01T00' })
  const future = await post({ from: '2026-03-01T00', to: '9999-01-01T00' })
  const { runs } = (await (await fetch(`${service.url}/v1/runs?limit=1000`)).json()) as { runs: object[] }

  expect([tooMany.status, future.status]).toEqual([400, 400])
  expect(runs.length).toBeGreaterThan(0)
  expect(await stop(service.child)).toBe(0)
})

test('a pipeline that cannot be used is every problem with file and line, and exit code 78', async () => {
  await using directory = await temporaryDirectory()
  await writePipeline(directory.path, MINI.replace('datasets', 'datsets').replace('every: day', 'every: dya'))

  await using service = launch('main', directory.path, {})

  expect(await ended(service)).toBe(78)
  expect(service.output()).toMatch(/mini\/pipeline.yaml:3:.*dya/)
  expect(service.output()).toMatch(/mini\/pipeline.yaml:9:.*datsets/)
})

test('an address that cannot be used is a problem of configuration, and is not shown', async () => {
  await using directory = await temporaryDirectory()
  await writePipeline(directory.path)

  await using service = launch('main', directory.path, { CINELAKE_QUEUE: 'redis://:hunter2@/not-a-number' })

  expect(await ended(service)).toBe(78)
  expect(service.output()).toContain('CINELAKE_QUEUE')
  expect(service.output()).not.toContain('hunter2')
})
