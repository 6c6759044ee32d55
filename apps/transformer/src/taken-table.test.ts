import { createDeltaTable } from '@cinelake/delta'
import { expect, test } from 'vitest'
import { aColumn, aDataset, aRefinery } from './refine/refinery.fixture.ts'

test('a table that begins beside one that another pipeline owns and both wrote into is warned of, unless it is rebuilt', async () => {
  await using refinery = await aRefinery()
  const { lake, engine, clock } = refinery
  const shared = createDeltaTable({ lake, path: 'refined/orders', clock })
  {
    await using session = await engine.session()
    for (const pipeline of ['starter', 'shop']) {
      const txn = { appId: `${pipeline}@2026-03-01/refine orders`, version: 1 }
      await shared.append(session, 'SELECT 1 AS id', { txn })
    }
  }
  const dataset = aDataset({ columns: [aColumn('id')] })
  const command = await refinery.land(dataset, { files: { 'a.csv': 'id\n1\n' } })

  const begun = await refinery.refine(command)
  const rebuilt = await refinery.refine({ ...command, generation: 2, restart: true })

  expect(begun.quality).toMatchObject([
    { rule: 'table_of_its_own', severity: 'warn', detail: expect.stringContaining('cinelake rebuild DIR orders') },
  ])
  expect(rebuilt.quality).toEqual([])
  expect((await shared.snapshot())?.version).toBe(1)
})
