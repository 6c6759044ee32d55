import type { Build } from '@cinelake/contracts'
import type { DeltaSnapshot } from '@cinelake/delta'
import { aCommandHeader } from '@cinelake/testkit'
import { describe, expect, test } from 'vitest'
import { aModel } from './a-model.fixture.ts'
import { planBuild } from './plan.ts'

const dayTwo = { start: '2026-03-02T00:00:00Z', end: '2026-03-03T00:00:00Z', label: '2026-03-02' }

test('the first build makes the table and says what it was made of', () => {
  expect(planBuild(aBuild(), aModel(), undefined)).toMatchObject({
    action: 'build',
    basedOn: -1,
    txn: { appId: 'shop@2026-03-01/build sales', version: 1 },
    configuration: {
      'cinelake.window': '2026-03-01T00:00:00Z',
      'cinelake.inputs': expect.stringMatching(/^[0-9a-f]{64}$/),
    },
  })
})

test('the same inputs again are left alone', () => {
  const there = built(aBuild())

  expect(planBuild(aBuild({ run: 'shop@2026-03-02', window: dayTwo }), aModel(), there)).toEqual({
    action: 'unchanged',
    snapshot: there,
  })
})

test.each([
  ['another version of an input', aBuild({ run: 'next', inputs: [{ table: 'orders', version: 8 }] }), aModel()],
  [
    'another text of the model',
    aBuild({ run: 'next' }),
    aModel({ sql: 'SELECT id, 2 * amount AS amount FROM orders' }),
  ],
  ['another key', aBuild({ run: 'next' }), aModel({ key: ['id', 'amount'] })],
])('%s is built', (_, command, model) => {
  expect(planBuild(command, model, built(aBuild())).action).toBe('build')
})

test('the same version of an input that began a new life is built', () => {
  const pinned = (id?: string) => aBuild({ run: 'next', inputs: [{ table: 'orders', version: 7, ...(id && { id }) }] })

  expect(planBuild(pinned('b'), aModel(), built(pinned('a'))).action).toBe('build')
  expect(planBuild(pinned('a'), aModel(), built(pinned('a'))).action).toBe('unchanged')
})

test('a table that was built before inputs had identities need not be built again for them', () => {
  const { 'cinelake.pinnedIds': _, ...configuration } = built(aBuild()).configuration
  const pinned = aBuild({ run: 'next', inputs: [{ table: 'orders', version: 7, id: 'a' }] })

  expect(planBuild(pinned, aModel(), { ...built(aBuild()), configuration }).action).toBe('unchanged')
})

test('another description is not', () => {
  expect(planBuild(aBuild({ run: 'next' }), aModel({ description: 'New words.' }), built(aBuild())).action).toBe(
    'unchanged',
  )
})

test('a model that asks for the window is built for each window', () => {
  const model = aModel({ usesWindow: true })

  expect(planBuild(aBuild({ run: 'next', window: dayTwo }), model, built(aBuild(), model)).action).toBe('build')
})

test('a command that was carried out already is carried out again, to be counted and found committed', () => {
  const there = built(aBuild())
  const txns = new Map([['shop@2026-03-01/build sales', 1]])

  expect(planBuild(aBuild(), aModel(), { ...there, txns })).toMatchObject({ action: 'build', basedOn: there.version })
  expect(planBuild(aBuild({ generation: 2 }), aModel(), { ...there, txns }).action).toBe('unchanged')
})

describe('an older window after a later one', () => {
  const late = aBuild({ run: 'late', inputs: [{ table: 'orders', version: 9 }] })

  test.each(['table', 'history'] as const)('is superseded for %s', (materialization) => {
    const model = aModel({ materialization, usesWindow: materialization === 'table' })
    const there = built(aBuild({ window: dayTwo }), model)

    expect(planBuild(late, model, there)).toEqual({ action: 'superseded', snapshot: there })
  })

  test('is built for a table that depends on its inputs alone: what came late belongs into it', () => {
    expect(planBuild(late, aModel(), built(aBuild({ window: dayTwo })))).toMatchObject({ action: 'build' })
  })

  test.each(['partitions', 'merge'] as const)(
    'is built for %s, and the latest window stays on record',
    (materialization) => {
      const model = aModel({ materialization })

      expect(planBuild(late, model, built(aBuild({ window: dayTwo }), model))).toMatchObject({
        action: 'build',
        configuration: { 'cinelake.window': dayTwo.start },
      })
    },
  )
})

function aBuild(fields: Partial<Build> = {}): Build {
  return {
    ...aCommandHeader({ task: 'build sales' }),
    kind: 'build',
    model: 'sales',
    inputs: [{ table: 'orders', version: 7 }],
    ...fields,
  }
}

/** A table as a build leaves it, seen by somebody else. */
function built(command: Build, model = aModel()): DeltaSnapshot {
  const plan = planBuild(command, model, undefined)
  const configuration = plan.action === 'build' ? plan.configuration : {}
  return {
    version: 3,
    id: 'sales',
    columns: [],
    partitionBy: [],
    files: [],
    rowCount: 0,
    txns: new Map(),
    configuration,
  }
}
