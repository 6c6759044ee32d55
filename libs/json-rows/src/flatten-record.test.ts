import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createColumns, RecordProblem } from './columns.ts'
import { areAllKnown, createFlattener, type FlattenRules } from './flatten-record.ts'
import type { JsonObject } from './json-text.ts'

const name = fc.constantFrom('id', 'ID', 'home', 'home.city', 'city', 'mail', '_rescued', 'x')
const { record } = fc.letrec<{ record: JsonObject; value: JsonObject | number | null | never[] }>((tie) => ({
  record: fc.dictionary(name, tie('value'), { maxKeys: 4 }),
  value: fc.oneof({ maxDepth: 3 }, fc.constantFrom(1, null, []), tie('record')),
}))
const flatten: fc.Arbitrary<FlattenRules> = fc.constantFrom({}, { home: 'json' }, { '*': 'json', home: 'dots' })

test('all fields are known where none of the columns that they become is unknown', () => {
  fc.assert(
    fc.property(
      fc.array(record),
      fc.subarray(['id', 'home', 'home.city', 'city']),
      flatten,
      (records, names, rules) => {
        const known = new Set(names)
        const columns = createColumns({ known, drift: 'fail' })
        const cellsOf = createFlattener(columns, rules)
        for (const each of records) {
          try {
            cellsOf(each)
          } catch (error) {
            // Two fields of one record may become one column.
            fc.pre(!(error instanceof RecordProblem))
            throw error
          }
        }

        const all = columns.all.values().every(({ isKnown }) => isKnown)
        expect(areAllKnown(records, { known, flatten: rules })).toBe(all)
      },
    ),
    { numRuns: 500 },
  )
})

test('a record that is nested too deeply for a row is not known', () => {
  let record: JsonObject = { id: 1 }
  for (let depth = 0; depth < 100_000; depth += 1) record = { id: record }

  expect(areAllKnown([record], { known: new Set(['id']), flatten: {} })).toBe(false)
})
