import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { findRefusedWords, type RefusedWord } from './words.ts'

const ROOT = join(import.meta.dirname, '..')
const { refused, notYet } = JSON.parse(readFileSync(join(ROOT, 'tools/refused-words.json'), 'utf8')) as {
  readonly refused: readonly RefusedWord[]
  /** Folders and pages whose texts have not been rewritten. Only ever gets shorter. */
  readonly notYet: readonly string[]
}
const IGNORED = ['**/node_modules/**', '**/dist/**', '**/fixtures/**', '**/*.test.ts', '**/*.fixture.ts']

const paths = globSync(['{apps,libs,tools}/**/*.ts', '*.md', 'docs/**/*.md', '{apps,libs}/*/README.md'], {
  cwd: ROOT,
  exclude: IGNORED,
}).toSorted()
const findings = new Map(
  paths.map((path) => [path, findRefusedWords(path, readFileSync(join(ROOT, path), 'utf8'), refused)]),
)
const exempt = (path: string) => notYet.some((folder) => path === folder || path.startsWith(`${folder}/`))

const told = [...findings].flatMap(([path, found]) => (exempt(path) ? [] : found))
const stale = notYet.filter(
  (folder) =>
    ![...findings].some(([path, found]) => found.length > 0 && (path === folder || path.startsWith(`${folder}/`))),
)
for (const { where, message } of told) console.error(`${where}: ${message}`)
for (const folder of stale)
  console.error(`tools/refused-words.json: ${folder} has no refused word: take it out of notYet`)
console.log(`words: ${paths.length} files, ${told.length} refused, ${notYet.length} folders not rewritten yet`)
process.exitCode = told.length + stale.length === 0 ? 0 : 1
