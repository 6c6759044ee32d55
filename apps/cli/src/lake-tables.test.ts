import { createDirectoryLake } from '@cinelake/lake/directory'
import { temporaryDirectory } from '@cinelake/testkit'
import { expect, test } from 'vitest'
import { findTable } from './lake-tables.ts'
import { platformConfig } from './settings.ts'

test.each([
  [{ ott: ['titles', 'dim_title'], shop: ['orders'] }, 'titel', 'did you mean `ott.titles`?'],
  [{ ott: ['titles', 'dim_title'], shop: ['orders'] }, 'dim_titel', 'did you mean `ott.dim_title`?'],
  [{ ott: ['titles'], shop: ['orders'] }, 'shop.titles', 'did you mean `ott.titles`?'],
  [{ ott: ['titles'], films: ['titles'] }, 'titels', 'did you mean `films.titles` or `ott.titles`?'],
  [{ ott: ['titles'] }, 'titel', 'did you mean `titles`?'],
  [{ ott: ['titles'], shop: ['orders'] }, 'ordrs', 'did you mean `shop.orders`?'],
  [{ ott: ['titles'], shop: ['orders'] }, 'zzz', 'expected one of ott.titles, shop.orders'],
])('of %j, for %s: %s', async (pipelines: Readonly<Record<string, string[]>>, name, words) => {
  await using directory = await temporaryDirectory()
  await using lake = await createDirectoryLake(directory.path)
  for (const [pipeline, tables] of Object.entries(pipelines)) {
    await lake.put(`pipelines/${pipeline}/1.json`, '{}')
    for (const table of tables) await lake.put(`refined/${pipeline}/${table}/_delta_log/${'0'.repeat(20)}.json`, '')
  }

  const config = platformConfig({}, directory.path)
  await expect(findTable(config, lake, name)).rejects.toThrow(new RegExp(`${RegExp.escape(words)}$`))
})
