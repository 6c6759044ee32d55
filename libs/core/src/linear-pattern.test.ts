import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compilePattern, exactly, repeat, sequence, type Pattern } from './linear-pattern.ts'

/** A pattern with the regular expression that means the same. */
type Case = { readonly pattern: Pattern; readonly expression: string }

const char: fc.Arbitrary<Case> = fc.constantFrom(
  { pattern: exactly('a'), expression: 'a' },
  { pattern: exactly('😀'), expression: '😀' },
  { pattern: { kind: 'char', test: () => true }, expression: '[^]' },
)

const cases = fc.letrec<{ node: Case }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    char,
    fc.array(tie('node'), { maxLength: 3 }).map((of) => ({
      pattern: { kind: 'sequence' as const, of: of.map(({ pattern }) => pattern) },
      expression: `(?:${of.map(({ expression }) => expression).join('')})`,
    })),
    fc.array(tie('node'), { minLength: 1, maxLength: 3 }).map((of) => ({
      pattern: { kind: 'alternatives' as const, of: of.map(({ pattern }) => pattern) },
      expression: `(?:${of.map(({ expression }) => expression).join('|')})`,
    })),
    fc
      .tuple(char, fc.constantFrom<[number, number]>([0, Infinity], [1, Infinity], [0, 1], [2, 3]))
      .map(([{ pattern, expression }, [min, max]]) => ({
        pattern: repeat(pattern, min, max),
        expression: `${expression}{${min},${max === Infinity ? '' : max}}`,
      })),
    tie('node').map(({ pattern, expression }) => ({
      pattern: { kind: 'group' as const, of: pattern },
      expression: `(${expression})`,
    })),
    fc.constant({ pattern: { kind: 'start' as const }, expression: '(?:^)' }),
    fc.constant({
      pattern: { kind: 'not-before' as const, test: (next: string) => next === 'a' },
      expression: '(?!a)',
    }),
  ),
})).node

describe('a pattern', () => {
  test('takes the texts that a regular expression takes, and its groups the same parts', () => {
    const texts = fc.string({ unit: fc.constantFrom('a', 'b', '😀'), maxLength: 8 })
    fc.assert(
      fc.property(cases, texts, ({ pattern, expression }, text) => {
        const expected = new RegExp(`^(?:${expression})$`, 'u').exec(text)?.slice(1)
        expect(compilePattern(pattern).match(text)).toEqual(expected)
      }),
      { numRuns: 2000 },
    )
  })

  test('takes work in proportion to its text, where going back and forth takes years', () => {
    const any = repeat({ kind: 'char', test: () => true })
    const stars = compilePattern(sequence(...Array.from({ length: 9 }, () => [any, exactly('a')]).flat(), exactly('b')))
    const nested = compilePattern(sequence(repeat(repeat(exactly('a'))), exactly('b')))
    const stepsOf = (matcher: typeof stars, length: number) => {
      let steps = 0
      expect(matcher.match('a'.repeat(length), () => (steps += 1))).toBeUndefined()
      return steps
    }

    for (const matcher of [stars, nested]) {
      const [short, long] = [stepsOf(matcher, 100), stepsOf(matcher, 1000)]
      expect(long).toBeLessThan(11 * short)
      expect(long).toBeLessThan(100 * 1000)
    }
  })

  test('that would be too long when it is written out is refused', () => {
    const thousand = (of: Pattern) => repeat(of, 1000, 1000)

    expect(() => compilePattern(thousand(thousand(thousand(exactly('a')))))).toThrow(RangeError)
  })
})
