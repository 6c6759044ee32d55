import { manifestPath, type Ingest } from '@cinelake/contracts'
import { taskFileName, windowAt, type Calendar } from '@cinelake/core'
import { temporaryDirectory } from '@cinelake/testkit'
import { expect, test } from 'vitest'
import { createDirectoryLake } from '../directory/lake.ts'
import { manifestBefore } from './landing.ts'

const TASK = 'ingest erp/orders'
const DAYS: Calendar = { every: 'day', timeZone: 'Europe/Berlin' }
const MONTHS: Calendar = { ...DAYS, every: 'month' }
const LAST_DAY = windowAt(DAYS, new Date('2026-03-31T12:00:00Z'))

/** A lake in which the last day of March has landed, for the window after it. */
async function given(window = LAST_DAY) {
  const directory = await temporaryDirectory()
  const lake = await createDirectoryLake(directory.path)
  const manifest = {
    version: 1,
    run: `erp@${window.label}`,
    task: TASK,
    generation: 1,
    source: 'erp',
    dataset: 'orders',
    window,
    format: 'csv',
    files: [],
  }
  await lake.put(manifestPath('erp', window.label, taskFileName(TASK), 1), JSON.stringify(manifest))
  return {
    before: async (calendar: Calendar, { generation = 1, since = LAST_DAY.end } = {}) => {
      const next = windowAt(calendar, new Date(LAST_DAY.end))
      const pipeline = { name: 'erp' } as Ingest['pipeline']
      return await manifestBefore(lake, { pipeline, task: TASK, since, generation, window: next }, calendar)
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  }
}

test('the manifest of the window before is found', async () => {
  await using lake = await given()
  expect(await lake.before(DAYS)).toMatchObject({ window: LAST_DAY })
})

test('it is found though the schedule has windows of another length by now', async () => {
  await using lake = await given()
  expect(await lake.before(MONTHS)).toMatchObject({ window: LAST_DAY })
})

test('another window that ended elsewhere is not taken for it', async () => {
  await using lake = await given(windowAt(MONTHS, new Date('2026-03-31T12:00:00Z')))
  const since = windowAt(DAYS, new Date('2026-03-30T12:00:00Z')).end
  await expect(lake.before(DAYS, { since })).rejects.toMatchObject({ code: 'RAW_MANIFEST_LOST' })
})

test('one that is gone is told, and on purpose everything is read again', async () => {
  await using lake = await given(windowAt(DAYS, new Date('2026-01-01T12:00:00Z')))
  await expect(lake.before(DAYS)).rejects.toMatchObject({ code: 'RAW_MANIFEST_LOST' })
  expect(await lake.before(DAYS, { generation: 2 })).toBeUndefined()
})
