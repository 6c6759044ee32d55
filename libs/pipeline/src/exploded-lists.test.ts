import { describe, expect, test } from 'vitest'
import { planRun } from './plan.ts'
import { readPipeline } from './read-pipeline.ts'
import { textFolder } from './fixtures/text-folder.fixture.ts'

const contract = (name: string, isKeyed = true) =>
  `apiVersion: v3.1.0\nkind: DataContract\nid: ${name}\nversion: 1.0.0\nstatus: active\nschema:\n  - name: ${name}\n    properties:\n      - { name: id, logicalType: integer${isKeyed ? ', primaryKey: true' : ''} }\n`

const SOURCES = { files: 'type: files\n    path: in', database: 'type: database\n    url: postgres://db/shop' }

const read = async (source: keyof typeof SOURCES, datasets: string, isKeyed?: boolean) => {
  const names = [...datasets.matchAll(/^ {6}(\w+):/gm)].map(([, name = '']) => name)
  const text = `pipeline: shop\nschedule: { every: day, start: 2026-03-01 }\nsources:\n  shop:\n    ${SOURCES[source]}\n    datasets:\n${datasets}`
  const contracts = Object.fromEntries(names.map((name) => [`contracts/${name}.yaml`, contract(name, isKeyed)]))
  return await readPipeline(textFolder({ 'pipeline.yaml': text, ...contracts }))
}

describe('a dataset with the items of a list', () => {
  test.each([
    ['files', "files: 't*.csv'"],
    ['database', 'table: public.t'],
  ] as const)('is refined from what its parent lands, and lands nothing itself: %s', async (source, own) => {
    const result = await read(source, `      people: {}\n      titles: { ${own}, explode: { cast: people } }\n`)

    expect(result.problems.filter(({ severity }) => severity === 'error')).toEqual([])
    expect(result.pipeline?.sources[0]?.datasets.map(({ name }) => name)).toEqual(['titles'])
    expect(result.pipeline?.datasets.map(({ name, sourceDataset }) => [name, sourceDataset])).toEqual([
      ['titles', 'titles'],
      ['people', 'titles'],
    ])
    expect(result.pipeline?.datasets[1]?.explodedFrom).toMatchObject({
      dataset: 'titles',
      field: 'cast',
      key: [{ name: 'id', type: 'BIGINT' }],
    })
    if (result.pipeline === undefined) throw new Error('no pipeline')
    const needs = planRun(result.pipeline).map((task) => [task.name, task.needs])
    expect(needs).toContainEqual(['refine people', ['ingest shop/titles']])
    expect(needs.map(([name]) => name)).not.toContain('ingest shop/people')
  })

  test.each([
    ['files', '      a: {}\n', '`a` has no `files`'],
    ['database', '      a: {}\n', '`a` has no `table`'],
    ['files', '      a: { files: x, explode: { l: b } }\n      b: { files: y }\n', 'lands nothing itself'],
    ['files', '      a: { files: x, explode: { l: c } }\n', '`explode` names the unknown dataset `c`'],
    ['files', '      a: { files: x, explode: { l: a } }\n', '`explode` names the unknown dataset `a`'],
    [
      'files',
      '      a: { files: x, explode: { l: b } }\n      b: { explode: { m: c } }\n      c: {}\n',
      '`b` has items of a list itself',
    ],
    [
      'database',
      '      a: { table: public.a, changeTracking: true, mode: merge, explode: { l: b } }\n      b: {}\n',
      'contradict each other',
    ],
  ] as const)('is refused where it is contradictory: %s %s', async (source, datasets, message) => {
    const { problems } = await read(source, datasets)

    expect(problems.map((problem) => problem.message).join('\n')).toContain(message)
  })

  test('needs a parent whose rows have a key', async () => {
    const { problems } = await read('files', '      a: { files: x, explode: { l: b } }\n      b: {}\n', false)

    expect(problems.map((problem) => problem.message)).toContain('rows of `b` could not say whose they are')
  })
})
