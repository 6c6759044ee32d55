import { array, assert, asyncProperty, constantFrom, integer, oneof, record, uniqueArray } from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { once, openWorkbench, type Workbench } from './delta.fixture.ts'

type Row = { readonly part: string | null; readonly id: number; readonly n: number }

const part = constantFrom('a', 'b', 'c d', null)
const aRow = record({ part, id: integer({ min: 0, max: 12 }), n: integer({ min: 0, max: 99 }) })
const rows = array(aRow, { maxLength: 6 })
const keyed = uniqueArray(aRow, { maxLength: 6, selector: (row) => row.id })

const step = oneof(
  record({ kind: constantFrom('append' as const, 'overwrite' as const), rows }),
  record({ kind: constantFrom('merge' as const, 'add' as const), rows: keyed }),
  record({ kind: constantFrom('partitions' as const), rows, named: array(part, { maxLength: 2 }) }),
  record({ kind: constantFrom('replay' as const), rows }),
  record({ kind: constantFrom('vacuum' as const), rows }),
)

/** What a table is after a step, by the plainest code that says so. */
function after(
  before: readonly Row[],
  change: { kind: string; rows: readonly Row[]; named?: readonly (string | null)[] },
): Row[] {
  const ids = new Map(change.rows.map((row) => [row.id, row]))
  if (change.kind === 'append') return [...before, ...change.rows]
  if (change.kind === 'overwrite') return [...change.rows]
  if (change.kind === 'merge') return [...before.filter((row) => !ids.has(row.id)), ...change.rows]
  if (change.kind === 'add') {
    const known = new Set(before.map((row) => row.id))
    const added = before.map((row) => ({ ...row, n: row.n + (ids.get(row.id)?.n ?? 0) }))
    return [...added, ...change.rows.filter((row) => !known.has(row.id))]
  }
  if (change.kind !== 'partitions') return [...before]
  const replaced = new Set([...(change.named ?? []), ...change.rows.map((row) => row.part)])
  return [...before.filter((row) => !replaced.has(row.part)), ...change.rows]
}

const asQuery = (values: readonly Row[]) => {
  const tuples = values.map((row) => `(${row.part === null ? 'NULL' : `'${row.part}'`}, ${row.id}, ${row.n})`)
  return `SELECT part::VARCHAR AS part, id::INTEGER AS id, n::INTEGER AS n FROM (VALUES (NULL, 0, 0)${tuples.map((tuple) => `, ${tuple}`).join('')}) t(part, id, n) OFFSET 1`
}

const sorted = (values: readonly object[]) => values.map((value) => JSON.stringify(value)).sort()

let bench: Workbench
beforeAll(async () => {
  bench = await openWorkbench()
})
afterAll(async () => await bench[Symbol.asyncDispose]())

test('any sequence of commits leaves the rows that a table in memory has, at every version', async () => {
  let runs = 0
  const property = asyncProperty(
    array(step, { minLength: 1, maxLength: 14 }),
    constantFrom([], ['part']),
    async (steps, partitionBy) => {
      const table = bench.table(`model/table_${(runs += 1)}`)
      const { session } = bench
      let rows: Row[] = []
      const versions: Row[][] = [rows]
      await table.append(session, asQuery([]), { ...once('first'), partitionBy })
      for (const [index, change] of steps.entries()) {
        const options = once(`step-${index}`)
        if (change.kind === 'append') await table.append(session, asQuery(change.rows), options)
        else if (change.kind === 'overwrite') await table.overwrite(session, asQuery(change.rows), options)
        else if (change.kind === 'merge') await table.merge(session, asQuery(change.rows), { ...options, key: ['id'] })
        else if (change.kind === 'add') {
          const resolve = { columns: { n: 'old.n + new.n', part: 'old.part' } }
          await table.merge(session, asQuery(change.rows), { ...options, key: ['id'], resolve })
        } else if (change.kind === 'partitions') {
          if (partitionBy.length === 0) continue
          await table.overwritePartitions(session, asQuery(change.rows), {
            ...options,
            partitions: change.named.map((part) => ({ part })),
          })
        } else {
          if (change.kind === 'replay') await table.overwrite(session, asQuery(change.rows), once('first'))
          else await table.vacuum({ retentionMs: 3_600_000 })
          continue
        }
        rows = after(rows, change)
        versions.push(rows)
        expect(sorted((await bench.rows(table)) ?? [])).toEqual(sorted(rows))
      }
      expect((await table.snapshot())?.rowCount).toBe(rows.length)
      for (const [version, expected] of versions.entries()) {
        expect(sorted((await bench.rows(table, { version })) ?? [])).toEqual(sorted(expected))
      }
    },
  )
  await assert(property, { numRuns: 25 })
})
