import fc from 'fast-check'
import { expect, test } from 'vitest'
import { balanceHolds, formatBalance } from './balance.ts'

const counts = fc.nat({ max: 1_000_000_000 })

test('a balance holds when everything that came in is accounted for', () => {
  fc.assert(
    fc.property(counts, counts, counts, (out, rejected, duplicates) => {
      expect(balanceHolds({ unit: 'rows', in: out + rejected + duplicates, out, rejected, duplicates })).toBe(true)
    }),
  )
})

test('one row more or less breaks it, wherever it is', () => {
  fc.assert(
    fc.property(
      counts,
      counts,
      counts,
      fc.constantFrom('in', 'out', 'rejected', 'duplicates'),
      fc.constantFrom(1, -1),
      (out, rejected, duplicates, where, by) => {
        const balance = { unit: 'rows', in: out + rejected + duplicates, out, rejected, duplicates } as const
        expect(balanceHolds({ ...balance, [where]: balance[where] + by })).toBe(false)
      },
    ),
  )
})

test.each([
  [
    { unit: 'rows', in: 1204, out: 1180, rejected: 20, duplicates: 4 },
    '1,204 in = 1,180 out + 20 rejected + 4 duplicates',
  ],
  [{ unit: 'rows', in: 10, out: 8, rejected: 0, duplicates: 0 }, '10 in ≠ 8 out + 0 rejected + 0 duplicates'],
] as const)('%j reads %j', (balance, text) => {
  expect(formatBalance(balance)).toBe(text)
})
