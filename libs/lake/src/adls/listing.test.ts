import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openAdlsBench, type AdlsBench } from './adls.fixture.ts'
import { firstName } from './listing.ts'
import type { Lake, LakeObject } from '../lake.ts'

let bench: AdlsBench
let lake: Lake
beforeAll(async () => {
  bench = await openAdlsBench()
  lake = bench.lake
})
afterAll(() => bench[Symbol.asyncDispose]())

const pathsIn = async (objects: AsyncIterable<LakeObject>) => {
  const paths: string[] = []
  for await (const { path } of objects) paths.push(path)
  return paths
}

/** Few characters, on both sides of `/` in the order of characters, so that names begin like each other. */
const aName = fc
  .string({ unit: fc.constantFrom('a', 'b', '-', '.', '0', ' ', '%', '=', '~', 'é', 'A'), minLength: 1, maxLength: 3 })
  .filter((name) => !/^\.+$/.test(name) && name.trim() === name)
const aPath = fc.array(aName, { minLength: 1, maxLength: 4 }).map((names) => names.join('/'))

/** Paths of which none is a folder of another. */
const aTree = fc.uniqueArray(aPath, { maxLength: 25 }).map((paths) => {
  const folders = new Set(
    paths.flatMap((path) => path.split('/').map((_, depth, all) => all.slice(0, depth).join('/'))),
  )
  return paths.filter((path) => !folders.has(path))
})

describe('a listing', () => {
  test('of any tree is in order of path, whole, by folder and from any point on', async () => {
    let trees = 0
    await fc.assert(
      fc.asyncProperty(aTree, fc.array(aPath, { maxLength: 4 }), async (paths, points) => {
        const top = `tree ${(trees += 1)}`
        const all = paths.map((path) => `${top}/${path}`)
        await Promise.all(all.map((path) => lake.put(path, '')))
        const sorted = all.sort()

        expect(await pathsIn(lake.list(top))).toEqual(sorted)
        for (const startAfter of [...points.map((path) => `${top}/${path}`), ...sorted.slice(0, 3)]) {
          expect(await pathsIn(lake.list(top, { startAfter }))).toEqual(sorted.filter((path) => path > startAfter))
          const folder = startAfter.split('/').slice(0, 2).join('/')
          expect(await pathsIn(lake.list(folder, { startAfter }))).toEqual(
            sorted.filter((path) => path > startAfter && path.startsWith(`${folder}/`)),
          )
        }
      }),
      { numRuns: 40 },
    )
  })

  test('of a log asks only for what comes after the point to start after', async () => {
    const name = (version: number) => `t/_delta_log/${String(version).padStart(20, '0')}.json`
    for (let version = 0; version < 12; version += 1) await lake.put(name(version), '')
    bench.requests.length = 0

    const found = await pathsIn(lake.list('t/_delta_log', { startAfter: name(9).replace('.json', '') }))

    expect(found).toEqual([name(9), name(10), name(11)])
    expect(bench.requests).toHaveLength(1)
  })

  test('of many folders is complete, and a reader may stop at any time', async () => {
    for (let n = 0; n < 30; n += 1) await lake.put(`many/day=${String(n).padStart(2, '0')}/part`, '')

    const seen: string[] = []
    for await (const { path } of lake.list('many')) {
      seen.push(path)
      if (seen.length === 3) break
    }

    expect(seen).toEqual(['many/day=00/part', 'many/day=01/part', 'many/day=02/part'])
    expect(await pathsIn(lake.list('many'))).toHaveLength(30)
  })
})

describe('where Azure may begin', () => {
  test.each([
    ['t', '', undefined],
    ['t', 't/0000', '0000'],
    ['t', 't/0000.json', '0000'],
    ['t', 't/a-b/c', 'a'],
    ['t', 't/a/c', 'a'],
    ['t', 't/aé', undefined],
    ['t', 't/a@', undefined],
    ['t', 't/-a', undefined],
    ['t', 'u/a', undefined],
    ['', 'u/a', 'u'],
  ])('in %j after %j is %j', (folder, startAfter, expected) => {
    expect(firstName(folder, startAfter)).toBe(expected)
  })
})
