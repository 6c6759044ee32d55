// @module-tag slow: takes long
import { fixedClock, temporaryDirectory } from '@cinelake/testkit'
import { createDeltaTable } from '@cinelake/delta'
import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import { createDirectoryLake } from '@cinelake/lake/directory'
import type { Lake } from '@cinelake/lake'
import type { CheckedPipeline } from '@cinelake/pipeline'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { cloneLake, freezeTables } from './build-twice.ts'

const MEMORY_BYTES = 256 * 1024 * 1024

/** What freezing looks at. */
const PIPELINE = { name: 'shop', datasets: [{ name: 'orders' }], models: [{ name: 'sales', inputs: [] }] }

test('a clone keeps to the versions that were there, whatever runs write meanwhile', async () => {
  await using opening = new AsyncDisposableStack()
  const { path: directory } = opening.use(await temporaryDirectory())
  const limits = { memoryBytes: MEMORY_BYTES, threads: 1, scratchDirectory: join(directory, 'spill') }
  const engine = opening.use(await createDuckDbEngine({ ...limits, directories: [directory] }))
  const session = opening.use(await engine.session())
  const lake = opening.use(await createDirectoryLake(join(directory, 'lake')))
  const tableIn = (of: Lake, name: string) =>
    createDeltaTable({ lake: of, path: `refined/shop/${name}`, clock: fixedClock() })
  const append = async (of: Lake, name: string, value: number, version: number) =>
    await tableIn(of, name).append(session, `SELECT ${value} AS n`, { txn: { appId: `shop@${value}/x`, version } })
  const valuesIn = async (of: Lake, name: string) => {
    await using view = await tableIn(of, name).view(session)
    return view && (await session.rows(`SELECT n FROM ${view.relation} AS t ORDER BY n`)).map(({ n }) => n)
  }
  for (let value = 1; value <= 12; value++) await append(lake, 'orders', value, 1)

  const frozen = await freezeTables(lake, [PIPELINE as unknown as CheckedPipeline], new AbortController().signal)
  await using clone = await cloneLake(lake, frozen, directory)
  for (let value = 13; value <= 25; value++) await append(lake, 'orders', value, 1)
  await append(lake, 'sales', 1, 1)

  const known = Array.from({ length: 12 }, (_, index) => index + 1)
  expect(await valuesIn(clone, 'orders')).toEqual(known)
  expect(await valuesIn(clone, 'sales')).toBeUndefined()
  await append(clone, 'orders', 100, 1)
  await append(clone, 'sales', 100, 1)
  await append(lake, 'orders', 26, 1)
  expect(await valuesIn(clone, 'orders')).toEqual([...known, 100])
  expect(await valuesIn(clone, 'sales')).toEqual([100])
  expect(await valuesIn(lake, 'sales')).toEqual([1])
})
