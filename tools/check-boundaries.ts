import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkPackages, checkSources, type Source } from './boundaries.ts'
import { checkCircles } from './circles.ts'
import { checkTestExports, type PublicPackage } from './test-exports.ts'

const ROOT = join(import.meta.dirname, '..')
const IGNORED = ['**/node_modules/**', '**/dist/**']

const packages = filesOf('{apps,libs}/*/package.json').map(readPackage)
const sources = filesOf('{apps,libs,bench,test,tools}/**/*.ts').map((path): Source => ({ path, text: read(path) }))
const breaches = [
  ...checkPackages(packages),
  ...checkSources(packages, sources),
  ...checkCircles(packages, sources),
  ...checkTestExports(packages, sources),
]

for (const { where, message } of breaches) console.error(`${where}: ${message}`)
console.log(`boundaries: ${packages.length} packages, ${sources.length} files, ${breaches.length} breaches`)
process.exitCode = breaches.length === 0 ? 0 : 1

function filesOf(pattern: string): string[] {
  return globSync(pattern, { cwd: ROOT, exclude: IGNORED }).toSorted()
}

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8')
}

function readPackage(path: string): PublicPackage {
  const text = JSON.parse(read(path)) as {
    readonly name: string
    readonly nx?: { readonly tags?: readonly string[] }
    readonly exports?: Readonly<Record<string, { readonly '@cinelake/source'?: string }>>
    readonly dependencies?: Readonly<Record<string, string>>
    readonly devDependencies?: Readonly<Record<string, string>>
  }
  return {
    name: text.name,
    folder: path.replace('/package.json', ''),
    tags: text.nx?.tags ?? [],
    exports: Object.fromEntries(
      Object.entries(text.exports ?? {}).map(([subpath, target]) => [subpath, target['@cinelake/source'] ?? '']),
    ),
    dependencies: Object.keys(text.dependencies ?? {}),
    devDependencies: Object.keys(text.devDependencies ?? {}),
  }
}
