import { posix } from 'node:path'
import { isForTests, type Breach, type Package, type Source } from './boundaries.ts'

/** A package with the files that its subpaths stand for: `{ '.': 'src/index.ts' }`. */
export type PublicPackage = Package & { readonly exports: Readonly<Record<string, string>> }

/** Names of one module that a file takes; `*`: any of them. */
type Taken = { readonly by: string; readonly from: string; readonly names: readonly string[] }
/** A name that a file hands on from another, under the name that it has here. */
type HandedOn = { readonly from: string; readonly name: string; readonly as: string }

/** Exports that were there for tests alone before the rule was. */
const KNOWN: readonly string[] = [
  'rowDigest',
  'belongsTo',
  'redisOptions',
  'newest',
  'LANDED_PROPERTY',
  'isMet',
  'describeExpectation',
  'firstName',
  'commitManifest',
  'outcomeOf',
  'pipelineError',
  'secrecyOf',
  'secretFieldsOf',
  'sinceOf',
  'wallTime',
  'openDatabase',
  'withoutFormulas',
]

const ANY = '*'
/** What a comment before an export says where only tests need it. */
const REASON = /\bfor tests\b/i

/**
 * Finds values that production code exports and only tests import: code that no program needs, or an inside that a test should
 * not know. Where there is a reason, the comment before the export gives it, with the words "for tests".
 * @param known names that are still to go; one that is not exported for tests alone any more is told
 */
export function checkTestExports(
  packages: readonly PublicPackage[],
  sources: readonly Source[],
  known: readonly string[] = KNOWN,
): Breach[] {
  const resolve = resolverOf(packages, new Set(sources.map(({ path }) => path)))
  const files = sources.map((source) => ({ source, ...readImports(source, resolve) }))
  const handedOn = new Map(files.map(({ source, handsOn }) => [source.path, handsOn]))
  const users = new Map<string, Set<string>>()
  const use = (file: string, name: string, by: string) => {
    for (const key of originsOf(file, name, handedOn)) users.set(key, (users.get(key) ?? new Set()).add(by))
  }
  for (const { taken } of files) {
    for (const { by, from, names } of taken) for (const name of names) use(from, name, by)
  }
  const found = sources
    .filter(({ path }) => !isForTests(path) && /^(?:apps|libs)\/[^/]+\/src\//.test(path))
    .flatMap((source) => exportsOf(source).map((one) => ({ name: one.name, breaches: breachesOf(source, one, users) })))
    .filter(({ breaches }) => breaches.length > 0)
  const names = new Set(found.map(({ name }) => name))
  return [
    ...found.flatMap(({ name, breaches }) => (known.includes(name) ? [] : breaches)),
    ...known
      .filter((name) => !names.has(name))
      .map((name) => ({
        where: 'tools/test-exports.ts',
        message: `${name} is not exported for tests alone any more: remove it from KNOWN`,
      })),
  ]
}

type Export = { readonly name: string; readonly line: number; readonly comment: string }

function breachesOf(
  source: Source,
  { name, line, comment }: Export,
  users: ReadonlyMap<string, Set<string>>,
): Breach[] {
  const by = [...(users.get(keyOf(source.path, name)) ?? []), ...(users.get(keyOf(source.path, ANY)) ?? [])]
  if (by.length === 0 || !by.every(isForTests) || REASON.test(comment)) return []
  return [
    {
      where: `${source.path}:${line}`,
      message: `exports ${name} for ${by.toSorted().join(', ')} alone; test what uses it, or say in its comment what it is for tests`,
    },
  ]
}

/** Where a name that a file has comes from: from itself, or through what it hands on. */
function originsOf(file: string, name: string, handedOn: ReadonlyMap<string, readonly HandedOn[]>): string[] {
  const further = (handedOn.get(file) ?? []).filter(({ as }) => name === ANY || as === name || as === ANY)
  return [
    keyOf(file, name),
    ...further.flatMap((one) => originsOf(one.from, one.as === ANY ? name : one.name, handedOn)),
  ]
}

function keyOf(file: string, name: string): string {
  return `${file} ${name}`
}

type Resolve = (specifier: string, from: string) => string | undefined

function resolverOf(packages: readonly PublicPackage[], paths: ReadonlySet<string>): Resolve {
  return (specifier, from) => {
    if (specifier.startsWith('.')) {
      const path = posix.join(posix.dirname(from), specifier)
      return paths.has(path) ? path : undefined
    }
    const [, name, subpath = ''] = /^(@cinelake\/[^/]+)(\/.+)?$/.exec(specifier) ?? []
    const owner = packages.find((one) => one.name === name)
    const file = owner?.exports[`.${subpath}`]
    return owner === undefined || file === undefined ? undefined : posix.join(owner.folder, file)
  }
}

const CLAUSE =
  /(?:^|[\s;])(import|export)\s+(?:type\s+)?(?:(\*)(?:\s+as\s+\w+)?|(?:\w+\s*,\s*)?\{([^}]*)\})\s*from\s*'([^'\n]+)'/g
/** What is loaded while the program runs is not followed further: any name of it may be used. */
const LOADED = /\bimport\(\s*'([^'\n]+)'\s*\)/g

function readImports({ path: by, text }: Source, resolve: Resolve) {
  const taken: Taken[] = []
  const handsOn: HandedOn[] = []
  for (const [, keyword, all, names = '', specifier = ''] of text.matchAll(CLAUSE)) {
    const from = resolve(specifier, by)
    if (from === undefined) continue
    const pairs = all === undefined ? pairsOf(names) : [{ name: ANY, as: ANY }]
    if (keyword === 'export') handsOn.push(...pairs.map((pair) => ({ from, ...pair })))
    else taken.push({ by, from, names: pairs.map(({ name }) => name) })
  }
  for (const [, specifier = ''] of text.matchAll(LOADED)) {
    const from = resolve(specifier, by)
    if (from !== undefined) taken.push({ by, from, names: [ANY] })
  }
  return { taken, handsOn }
}

function pairsOf(names: string): { readonly name: string; readonly as: string }[] {
  return names.split(',').flatMap((part) => {
    const [, name, as = name] = /^\s*(?:type\s+)?(\w+)(?:\s+as\s+(\w+))?\s*$/.exec(part) ?? []
    return name === undefined || as === undefined ? [] : [{ name, as }]
  })
}

function exportsOf({ text }: Source): Export[] {
  const values =
    /((?:^\/\*\*(?:(?!\*\/)[\s\S])*\*\/\n)?)^export (?:async function\*?|function\*?|const|let|(?:abstract )?class) (\w+)/gm
  return [...text.matchAll(values)].map((match) => ({
    name: match[2] ?? '',
    comment: match[1] ?? '',
    line: text.slice(0, match.index + match[0].length).split('\n').length,
  }))
}
