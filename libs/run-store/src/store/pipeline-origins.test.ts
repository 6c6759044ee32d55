import { afterAll, beforeEach, expect, test } from 'vitest'
import { embeddedDatabase, emptied } from '../databases.fixture.ts'
import { prepareSchema } from '../schema/version.ts'
import { createPipelineOrigins } from './pipeline-origins.ts'

const database = await embeddedDatabase()
afterAll(() => database[Symbol.asyncDispose]())
beforeEach(async () => {
  await emptied(database)
  await prepareSchema(database.db, 'auto')
})
const { claim } = createPipelineOrigins(database, () => new Date('2026-03-02T03:00:00Z'))

test('the first folder that runs a pipeline has its name; another one is refused with both', async () => {
  await claim('shop', '/pipelines/shop')
  await claim('shop', '/pipelines/shop')
  await claim('other', '/pipelines/copy')

  await expect(claim('shop', '/pipelines/copy')).rejects.toMatchObject({
    code: 'PIPELINE_NAME_TAKEN',
    message: expect.stringMatching(/expected \/pipelines\/shop.* got \/pipelines\/copy;.*`pipeline:`.*--moved/),
  })
})

test('a folder that was moved takes the name along', async () => {
  await claim('shop', '/pipelines/shop')

  await claim('shop', '/elsewhere/shop', { moved: true })

  await claim('shop', '/elsewhere/shop')
  await expect(claim('shop', '/pipelines/shop')).rejects.toMatchObject({ code: 'PIPELINE_NAME_TAKEN' })
})

test('of several that come at once one has it', async () => {
  const outcomes = await Promise.allSettled(['/a', '/b', '/c'].map((folder) => claim('shop', folder)))

  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
})
