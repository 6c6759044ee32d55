import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { type AdviceBySection, errorCodesIn, withErrorTables } from './error-codes.ts'

const ROOT = join(import.meta.dirname, '..')
export const RUNBOOK = join(ROOT, 'docs/runbook.md')

const paths = globSync('{apps,libs}/*/src/**/*.ts', {
  cwd: ROOT,
  exclude: ['**/node_modules/**', '**/*.test.ts', '**/*.fixture.ts', '**/*-contract.ts', 'libs/testkit/**'],
}).toSorted()

const texts = new Map(paths.map((path) => [path, readFileSync(join(ROOT, path), 'utf8')]))
/** All that may define an error. For tests. */
export const sources = [...texts.values()]
/** Every error of the platform. */
export const errorCodes = errorCodesIn(texts)

export const errorAdvice = parse(readFileSync(join(ROOT, 'docs/error-advice.yaml'), 'utf8')) as AdviceBySection

/** The runbook with its tables of errors as they have to be. */
export function runbookAsDefined(): string {
  return withErrorTables(readFileSync(RUNBOOK, 'utf8'), errorCodes, errorAdvice)
}
