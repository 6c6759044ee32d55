import fc from 'fast-check'
import { expect, test } from 'vitest'
import { groupCount } from './column-rules.ts'

test('groups are counted as JavaScript counts them', () => {
  const token = fc.constantFrom('a', '(', ')', '(?:', '(?<n>', '\\(', '[(]', '[^)]', '|', '*', '\\\\', '[\\](]')
  fc.assert(
    fc.property(fc.array(token, { maxLength: 8 }), (tokens) => {
      const pattern = tokens.join('')
      let expected: number
      try {
        expected = (new RegExp(`${pattern}|`).exec('')?.length ?? 1) - 1
      } catch {
        fc.pre(false)
        return
      }
      expect(groupCount(pattern)).toBe(expected)
    }),
    { numRuns: 3000 },
  )
})

test('a pattern that would take years to try out is counted at once', () => {
  expect(groupCount('((((((a?){999}){999}){999}){999}){999}){999}')).toBe(6)
})
