import type { Manifest } from '@cinelake/contracts'
import type { DeltaSnapshot } from '@cinelake/delta'
import { aCommandHeader } from '@cinelake/testkit'
import { describe, expect, test } from 'vitest'
import { LATEST_WINDOW } from '@cinelake/contracts'
import { LANDED_PROPERTY, planRefine } from './plan.ts'
import { aColumn, aDataset, dayWindow } from './refinery.fixture.ts'

const dataset = aDataset({ columns: [aColumn('id')] })
const aCommand = (day = 2, generation = 1) => ({
  ...aCommandHeader({ run: `shop@${dayWindow(day).label}`, task: 'refine orders', generation, window: dayWindow(day) }),
  kind: 'refine' as const,
  dataset: 'orders',
  manifest: 'm.json',
})
const aFile = (content: string, name = 'orders.csv') => ({
  path: `raw/${name}`,
  name,
  sizeBytes: 1,
  sha256: content.repeat(64),
})
const aManifest = (fields: Partial<Manifest> = {}): Manifest => ({
  version: 1,
  run: 'r',
  task: 'ingest shop/orders',
  generation: 1,
  source: 'shop',
  dataset: 'orders',
  window: dayWindow(2),
  format: 'csv',
  files: [aFile('a')],
  ...fields,
})
const aTable = (fields: Partial<DeltaSnapshot> = {}): DeltaSnapshot => ({
  version: 7,
  id: 'orders',
  columns: [],
  partitionBy: [],
  files: [],
  rowCount: 0,
  txns: new Map(),
  configuration: {},
  ...fields,
})
const rowsOf = (day: number) => ({
  path: `${day}.parquet`,
  partitionValues: {},
  sizeBytes: 1,
  rowCount: 1,
  min: { _window: dayWindow(day).start },
  max: { _window: dayWindow(day).start },
})
const landedBy = (manifest: Manifest, of = dataset) => {
  const plan = planRefine(aCommand(), of, manifest, undefined)
  return plan.action === 'refine' ? (plan.configuration[LANDED_PROPERTY] ?? '') : ''
}

describe('what becomes of a landing', () => {
  test('the first one makes the table', () => {
    const plan = planRefine(aCommand(), dataset, aManifest(), undefined)
    expect(plan).toMatchObject({
      action: 'refine',
      commit: 'overwrite',
      basedOn: -1,
      txn: { appId: 'shop@2026-03-02/refine orders', version: 1 },
      configuration: { [LATEST_WINDOW]: dayWindow(2).start },
    })
  })

  test.each([
    ['snapshot', 'overwrite', 7],
    ['merge', 'merge', undefined],
    ['append', 'append', undefined],
  ] as const)('%s: %s', (mode, commit, basedOn) => {
    const plan = planRefine(aCommand(), { ...dataset, mode }, aManifest(), aTable())
    expect(plan).toMatchObject({ action: 'refine', commit })
    expect(plan).toHaveProperty('txn')
    expect('basedOn' in plan ? plan.basedOn : undefined).toBe(basedOn)
  })

  test('nothing is done where nothing landed, but a table that is not there is made', () => {
    const table = aTable()
    const noContent = aManifest({ files: [], rowCount: 0, noContent: true })
    const noChange = aManifest({
      rowCount: 0,
      cursor: { column: 'at', since: dayWindow(1).start, until: dayWindow(2).start },
    })
    for (const manifest of [aManifest({ files: [] }), noContent, noChange]) {
      expect(planRefine(aCommand(), dataset, manifest, table)).toEqual({ action: 'unchanged', snapshot: table })
    }
    expect(planRefine(aCommand(), { ...dataset, mode: 'merge' }, aManifest({ files: [] }), undefined)).toMatchObject({
      action: 'refine',
      commit: 'overwrite',
    })
  })

  test('a snapshot whose source says that it has no rows becomes empty', () => {
    const full = aTable({ configuration: { [LANDED_PROPERTY]: landedBy(aManifest()) } })
    for (const manifest of [
      aManifest({ files: [], rowCount: 0 }),
      aManifest({ files: [aFile('e')], rowCount: 0 }),
      aManifest({ files: [aFile('e')], rowCount: 0, format: 'parquet', columns: [{ name: 'id', type: 'VARCHAR' }] }),
    ]) {
      expect(planRefine(aCommand(), dataset, manifest, full)).toMatchObject({ action: 'refine', commit: 'overwrite' })
      const empty = aTable({ configuration: { [LANDED_PROPERTY]: landedBy(manifest) } })
      expect(planRefine(aCommand(), dataset, manifest, empty)).toMatchObject({ action: 'unchanged' })
      const merged = { ...dataset, mode: 'merge' as const }
      expect(planRefine(aCommand(), merged, manifest, full)).toMatchObject({ action: 'unchanged' })
    }
  })

  test('the same files again change nothing, under whatever name', () => {
    const table = aTable({ configuration: { [LANDED_PROPERTY]: landedBy(aManifest()) } })
    const renamed = aManifest({ files: [aFile('a', 'orders_20260302.csv')] })
    expect(planRefine(aCommand(), dataset, renamed, table)).toEqual({ action: 'unchanged', snapshot: table })
    expect(planRefine(aCommand(), dataset, aManifest({ files: [aFile('b')] }), table)).toMatchObject({
      action: 'refine',
    })
  })

  test('the same files under another contract, or in another order, are refined again', () => {
    const table = aTable({ configuration: { [LANDED_PROPERTY]: landedBy(aManifest()) } })
    const changed = aDataset({ columns: [aColumn('id', { required: true })] })
    expect(planRefine(aCommand(), changed, aManifest(), table)).toMatchObject({ action: 'refine' })
    const ordered = landedBy(aManifest({ files: [aFile('a', '1.csv'), aFile('b', '2.csv')] }))
    expect(landedBy(aManifest({ files: [aFile('b', '2.csv'), aFile('a', '1.csv')] }))).toBe(ordered)
    expect(landedBy(aManifest({ files: [aFile('a', '2.csv'), aFile('b', '1.csv')] }))).not.toBe(ordered)
  })

  test('appended rows are new rows, though they were landed before', () => {
    const append = { ...dataset, mode: 'append' as const }
    const table = aTable({ configuration: { [LANDED_PROPERTY]: landedBy(aManifest(), append) } })
    expect(planRefine(aCommand(), append, aManifest(), table)).toMatchObject({ action: 'refine', commit: 'append' })
  })

  test('an older snapshot never replaces a later one', () => {
    const table = aTable({ configuration: { [LATEST_WINDOW]: dayWindow(3).start } })
    expect(planRefine(aCommand(2), dataset, aManifest(), table)).toEqual({ action: 'superseded', snapshot: table })
    expect(planRefine(aCommand(3), dataset, aManifest(), table)).toMatchObject({ action: 'refine' })
  })

  test('an older merge is worked in, and the table stays that of the later window', () => {
    const table = aTable({ configuration: { [LATEST_WINDOW]: dayWindow(3).start } })
    expect(planRefine(aCommand(2), { ...dataset, mode: 'merge' }, aManifest(), table)).toMatchObject({
      action: 'refine',
      configuration: { [LATEST_WINDOW]: dayWindow(3).start },
    })
  })
})

describe('a command that comes again', () => {
  const txns = new Map([['shop@2026-03-02/refine orders', 1]])

  test('after its commit is worked through for its balance, whatever happened since', () => {
    const table = aTable({
      txns,
      configuration: { [LANDED_PROPERTY]: landedBy(aManifest()), [LATEST_WINDOW]: dayWindow(3).start },
    })
    expect(planRefine(aCommand(), dataset, aManifest(), table)).toMatchObject({ action: 'refine', txn: { version: 1 } })
  })

  test('of a later generation takes the place of what the earlier one appended', () => {
    const append = { ...dataset, mode: 'append' as const }
    expect(planRefine(aCommand(2, 2), append, aManifest(), aTable({ txns, files: [rowsOf(2)] }))).toMatchObject({
      commit: 'replace',
      basedOn: 7,
    })
    expect(planRefine(aCommand(2, 1), append, aManifest(), aTable({ txns }))).toMatchObject({ commit: 'append' })
  })

  test('of a later generation appends to a table that began again since, which has no rows of the window', () => {
    const append = { ...dataset, mode: 'append' as const }
    const table = aTable({ txns, files: [rowsOf(1), rowsOf(3)] })
    expect(planRefine(aCommand(2, 2), append, aManifest(), table)).toMatchObject({ commit: 'append', basedOn: 7 })
  })

  test('of a later generation appends only if the earlier one, perhaps still at work, has not done so meanwhile', () => {
    const append = { ...dataset, mode: 'append' as const }
    expect(planRefine(aCommand(2, 2), append, aManifest(), aTable())).toMatchObject({ commit: 'append', basedOn: 7 })
  })
})
