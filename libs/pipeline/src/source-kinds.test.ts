import { globSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../../..')

/** Where each specifier of the workspace leads: `@cinelake/source-rest/config`. */
const entries = new Map(
  globSync('libs/*/package.json', { cwd: ROOT }).flatMap((file) => {
    const { name, exports } = JSON.parse(readFileSync(join(ROOT, file), 'utf8')) as {
      readonly name: string
      readonly exports: Readonly<Record<string, { readonly '@cinelake/source'?: string }>>
    }
    return Object.entries(exports).map(([subpath, { '@cinelake/source': source = '' }]) => [
      posix.join(name, subpath),
      posix.join(posix.dirname(file), source),
    ])
  }),
)

/** The packages of others that a file loads, and all that it loads in turn. Types are no load. */
function loadedBy(file: string, seen = new Set<string>()): Set<string> {
  const found = new Set<string>()
  if (seen.has(file)) return found
  seen.add(file)
  const text = readFileSync(join(ROOT, file), 'utf8')
  for (const [, from = ''] of text.matchAll(/^(?:import|export)(?! type)[^;']*? from '([^']+)'/gm)) {
    const inside = from.startsWith('.') ? posix.join(posix.dirname(file), from) : entries.get(from)
    if (inside !== undefined) for (const name of loadedBy(inside, seen)) found.add(name)
    else if (!from.startsWith('node:')) found.add(from)
  }
  return found
}

test('a pipeline is read and planned without loading a driver or an HTTP client', () => {
  // Paths in JSON and XML come with the parsers of these.
  expect([...loadedBy('libs/pipeline/src/index.ts')].sort()).toEqual([
    'json-p3',
    'sax',
    'temporal-polyfill',
    'yaml',
    'zod',
  ])
})

test.each(['files', 'database', 'rest', 'push'])(
  'what is asked of a source of the kind %s loads nothing of others',
  (kind) => {
    expect([...loadedBy(`libs/source-${kind}/src/config/questions.ts`)]).toEqual([])
  },
)
