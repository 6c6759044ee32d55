import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { codesOf, errorCodesIn, withErrorTables } from './error-codes.ts'
import { errorAdvice, errorCodes, RUNBOOK, runbookAsDefined, sources } from './runbook-errors.ts'

test('a code stands for one error, wherever it is raised', () => {
  const places = Map.groupBy(errorCodes, ({ code }) => code)

  expect(errorCodes.length).toBeGreaterThan(150)
  expect([...places.values()].filter((found) => found.length > 1)).toEqual([])
})

test('no code is missed', () => {
  const lines = /^ +([A-Z][A-Z0-9_]*): (?:terminal|transient)\(|readonly code(?:: string)? = '([A-Z0-9_]+)'/gm
  const written = sources.flatMap((text) => [...text.matchAll(lines)].map(([, row, ofClass]) => row ?? ofClass))

  expect(new Set(written)).toEqual(new Set(errorCodes.map(({ code }) => code)))
})

test('codes say the area and the reason', () => {
  expect(errorCodes.filter(({ code }) => !/^[A-Z]+(?:_[A-Z0-9]+)+$/.test(code))).toEqual([])
})

test('rows and classes are found with their message, and whether they are tried again', () => {
  const source = `
    export const errors = defineErrors({
      SHOP_SHUT: transient((name: string) => [\`shop is shut [name=\${name}]\` + \`: \${why()}; run \\\`shop \${name}\\\`\`, { name }]),
      SHOP_GONE: terminal(() => {
        const place = 'town'
        return ['shop is gone; ask for another', { place }]
      }),
    })
    abstract class ShopError extends TransientError {}
    export class ShopFullError extends ShopError {
      readonly code = 'SHOP_FULL'
      constructor(count: number) {
        super(\`shop is full: got \${count}\`, { count })
      }
    }`

  expect(errorCodesIn(new Map([['a.ts', source]]))).toEqual([
    { code: 'SHOP_FULL', path: 'a.ts', retryable: true, message: 'shop is full: got …' },
    { code: 'SHOP_GONE', path: 'a.ts', retryable: false, message: 'shop is gone; ask for another' },
    { code: 'SHOP_SHUT', path: 'a.ts', retryable: true, message: 'shop is shut [name=…]: …; run `shop NAME`' },
  ])
})

test('a table has codes with their messages, and leads to the advice', () => {
  const page = '<!-- errors:all -->\nold\n<!-- end of errors -->\n'
  const codes = [{ code: 'A_B', path: 'a.ts', retryable: true, message: 'a | b' }]

  expect(withErrorTables(page, codes, { red: [{ errors: '`A_B`', is: 'x', do: 'y' }] })).toBe(
    '<!-- errors:all -->\n| code | tried again | message |\n|---|---|---|\n| [`A_B`](#red) | yes | a \\| b |\n<!-- end of errors -->\n',
  )
})

test('the tables of the runbook are those of the errors: `pnpm docs:errors` writes them', () => {
  expect(readFileSync(RUNBOOK, 'utf8')).toBe(runbookAsDefined())
})

test('advice is about errors that there are, in sections that the runbook has', () => {
  const known = new Set(errorCodes.map(({ code }) => code))
  const page = readFileSync(RUNBOOK, 'utf8')

  expect(
    Object.values(errorAdvice)
      .flat()
      .flatMap(codesOf)
      .filter((code) => !known.has(code)),
  ).toEqual([])
  expect(Object.keys(errorAdvice).filter((section) => !page.includes(`<!-- errors:${section} -->`))).toEqual([])
})
