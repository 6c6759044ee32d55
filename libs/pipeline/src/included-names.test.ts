import { discoveredFolder, type Discover } from '@cinelake/contracts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { freezePipeline, type CheckedPipeline } from './checked-pipeline.ts'
import { requireOwnNames, withIncludedNames } from './included-names.ts'

type Table = { readonly schema: string; readonly name: string }

const database = (name: string) =>
  ({
    type: 'database',
    name,
    url: 'postgres://host/db',
    include: ['*.*'],
    exclude: [],
    datasets: [],
  }) satisfies CheckedPipeline['sources'][number]

const aPipeline = (models: readonly string[] = [], sources = ['s']): CheckedPipeline => ({
  format: 1,
  name: 'shop',
  schedule: { every: 'day', timeZone: 'UTC', start: '2026-03-01', delayMs: 0 },
  retry: { maxAttempts: 1, backoffMs: 0, maxBackoffMs: 0 },
  sources: sources.map(database),
  datasets: [],
  models: models.map((name) => ({ name })) as unknown as CheckedPipeline['models'],
  serve: [],
})

/** A lake in memory, and discoveries in it. */
function givenLake() {
  const objects = new Map<string, string>()
  const lake = {
    readText: async (path: string) => objects.get(path),
    async putIfAbsent(path: string, content: string) {
      if (objects.has(path)) return 'exists' as const
      objects.set(path, content)
      return 'created' as const
    },
    async *list(folder: string) {
      for (const path of [...objects.keys()].toSorted()) if (path.startsWith(`${folder}/`)) yield { path }
    },
  }
  const discover = async (tables: readonly Table[], pipeline = aPipeline(), source = 's') => {
    // The text of a test need not be complete: what a service reads is put where it looks.
    const { path, text, digest } = freezePipeline(pipeline)
    objects.set(path, text)
    const find = async () => ({ output: { kind: 'tables', tables } })
    const command = { source, pipeline: { name: 'shop', digest } } as Discover
    const { output } = await withIncludedNames(lake, find)(command, { signal: new AbortController().signal })
    return output.tables.map((table) => (table as { refined?: string }).refined)
  }
  return { lake, objects, discover }
}

const t = { schema: 'public', name: 't' }
const T = { schema: 'public', name: 'T' }

describe('the names of included tables', () => {
  test('never change and never repeat, whatever comes and goes', async () => {
    const table = fc.record({
      schema: fc.constantFrom('public', 'dbo', 'a', 'A', 'a_b'),
      name: fc.constantFrom('b', 'B', 'b c', 'b_c', 'c'),
    })
    const key = (one: Table) => `${one.schema}.${one.name}`
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uniqueArray(table, { selector: key }), { maxLength: 5 }), async (windows) => {
        const { discover } = givenLake()
        const names = new Map<string, string>()
        for (const tables of windows) {
          const given = await discover(tables)
          tables.forEach((one, index) => {
            const name = given[index] ?? ''
            expect(names.get(key(one)) ?? name).toBe(name)
            names.set(key(one), name)
          })
        }
        expect(new Set(names.values()).size).toBe(names.size)
      }),
      { numRuns: 50 },
    )
  })

  test('are not shared by two sources whose names run into those of their tables', async () => {
    const { discover } = givenLake()
    const pipeline = aPipeline([], ['s', 's_a'])

    expect(await discover([{ schema: 'public', name: 'a_b' }], pipeline)).toEqual(['s_a_b'])
    expect(await discover([{ schema: 'public', name: 'b' }], pipeline, 's_a')).toEqual(['s_a_public_b'])
  })

  test('of a lake of before are those that its newest window gave, read before the window is written again', async () => {
    const { objects, discover } = givenLake()
    objects.set(`${discoveredFolder('shop', 's')}/2026-03-01.json`, JSON.stringify({ tables: [t] }))

    expect(await discover([T, t])).toEqual(['s_public_t', 's_t'])
  })

  test('are all kept when two tasks give names at once', async () => {
    const { discover } = givenLake()

    const [[first], [second]] = (await Promise.all([discover([t]), discover([T])])) as [string[], string[]]

    expect(new Set([first, second])).toEqual(new Set(['s_t', 's_public_t']))
    expect(await discover([t, T])).toEqual([first, second])
  })

  test('are refused to a model that comes later, before anything is done', async () => {
    const { lake, discover } = givenLake()
    await discover([t])

    await expect(requireOwnNames(lake, aPipeline(['s_t']))).rejects.toMatchObject({
      code: 'INCLUDED_NAME_TAKEN',
      retryable: false,
    })
    await expect(requireOwnNames(lake, aPipeline(['other']))).resolves.toBeUndefined()
  })

  test('that are damaged in the lake are an error, not new names', async () => {
    const { objects, lake, discover } = givenLake()
    await discover([t])
    for (const path of objects.keys()) if (path.includes('/_names/')) objects.set(path, '{')

    await expect(requireOwnNames(lake, aPipeline())).rejects.toMatchObject({ code: 'INCLUDED_NAMES_CORRUPT' })
  })
})
