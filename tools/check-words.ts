import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { findRefusedWords, type RefusedWord } from './words.ts'

const ROOT = join(import.meta.dirname, '..')
const { refused } = JSON.parse(readFileSync(join(ROOT, 'tools/refused-words.json'), 'utf8')) as {
  readonly refused: readonly RefusedWord[]
}
const IGNORED = ['**/node_modules/**', '**/dist/**', '**/fixtures/**', '**/*.test.ts', '**/*.fixture.ts']

const paths = globSync(['{apps,libs,tools}/**/*.ts', '*.md', 'docs/**/*.md', '{apps,libs}/*/README.md'], {
  cwd: ROOT,
  exclude: IGNORED,
}).toSorted()
const told = paths.flatMap((path) => findRefusedWords(path, readFileSync(join(ROOT, path), 'utf8'), refused))

for (const { where, message } of told) console.error(`${where}: ${message}`)
console.log(`words: ${paths.length} files, ${told.length} refused`)
process.exitCode = told.length === 0 ? 0 : 1
