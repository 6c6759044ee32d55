import { posix } from 'node:path'

/** The layers of docs/architecture.md, as packages are tagged: `layer:port` in `nx.tags`. */
export const LAYERS = [
  'core',
  'contracts',
  'text',
  'port',
  'service',
  'source',
  'pipeline',
  'sample',
  'app',
  'testkit',
] as const
export type Layer = (typeof LAYERS)[number]

/** What a layer may import. Downwards only. */
const MAY_IMPORT: Readonly<Record<Layer, readonly Layer[]>> = {
  core: [],
  contracts: ['core'],
  // How texts of people are read, and what a kind of source is in them.
  text: ['core', 'contracts'],
  port: ['core', 'contracts'],
  service: ['core', 'contracts'],
  // One package per kind of source; they never import each other.
  source: ['core', 'contracts', 'text', 'port'],
  pipeline: ['core', 'contracts', 'text', 'source'],
  // Its program stands on the chassis of the services.
  sample: ['core', 'service'],
  app: ['core', 'contracts', 'text', 'port', 'service', 'source', 'pipeline'],
  testkit: ['core', 'contracts'],
}

/** What a layer's tests may import in addition. */
const TESTS_MAY_IMPORT: Readonly<Record<Layer, readonly Layer[]>> = {
  core: [],
  contracts: [],
  text: [],
  port: ['port', 'testkit'],
  service: ['testkit'],
  source: ['sample', 'testkit'],
  pipeline: ['port', 'testkit'],
  sample: ['testkit'],
  app: ['sample', 'testkit'],
  testkit: [],
}

/** The exceptions, each for a reason that stands in docs/architecture.md. */
const MAY_BESIDES: Readonly<Record<string, readonly string[]>> = {
  // Delta is a log over a lake.
  '@cinelake/delta': ['@cinelake/lake'],
  // A warehouse may be in a database of the kind that sources and the run history are in.
  // What an analyst may ask a DuckDB file is decided where SQL of pipelines is: it is the same engine.
  '@cinelake/warehouse': ['@cinelake/database', '@cinelake/engine'],
  // What a kind of source is begins with how it is written.
  '@cinelake/source-kind': ['@cinelake/config-text'],
  // Sources and deliveries say in the same words where files are, and how to sign in there.
  '@cinelake/file-places': ['@cinelake/config-text'],
  '@cinelake/pipeline': ['@cinelake/file-places'],
  // Pushes come over HTTP, which is served as the services serve theirs.
  '@cinelake/source-push': ['@cinelake/service'],
}

/** Subpaths that are no adapters but what one program alone may do, and that program. */
const PARTS: Readonly<Record<string, string>> = {
  // The run history is the scheduler's: clients read it, and never migrate or change it.
  '@cinelake/run-store/write': '@cinelake/scheduler',
}

/** Runs all services in one process, and the sample company for the demo. */
const WHOLE_PLATFORM = '@cinelake/cli'

export type Package = {
  readonly name: string
  /** Folder, relative to the repository: `libs/bus`. */
  readonly folder: string
  readonly tags: readonly string[]
  readonly dependencies: readonly string[]
  readonly devDependencies: readonly string[]
}

export type Source = {
  /** Relative to the repository: `libs/bus/src/memory/bus.ts`. */
  readonly path: string
  readonly text: string
}

/** A breach of a boundary: where, and what would be right. */
export type Breach = { readonly where: string; readonly message: string }

/** Checks what packages say that they depend on. */
export function checkPackages(packages: readonly Package[]): Breach[] {
  const byName = new Map(packages.map((each) => [each.name, each]))
  return packages.flatMap((each) => {
    const where = `${each.folder}/package.json`
    const layer = layerOf(each)
    if (layer === undefined) {
      return [
        {
          where,
          message: `expected one tag layer:${LAYERS.join('|')} in nx.tags, got ${each.tags.join(', ') || 'none'}`,
        },
      ]
    }
    const check = (names: readonly string[], allowed: readonly Layer[], field: string): Breach[] =>
      names.flatMap((name) => {
        const target = byName.get(name)
        const targetLayer = target && layerOf(target)
        if (targetLayer === undefined || isAllowed(each, name, targetLayer, allowed)) return []
        return [
          {
            where,
            message: `${field} has ${name} (${targetLayer}), but ${layer} may only import ${allowed.join(', ') || 'nothing'}`,
          },
        ]
      })
    const allowed = MAY_IMPORT[layer]
    return [
      ...check(each.dependencies, allowed, 'dependencies'),
      ...check(each.devDependencies, [...allowed, ...TESTS_MAY_IMPORT[layer]], 'devDependencies'),
    ]
  })
}

/** Checks what files really import. */
export function checkSources(packages: readonly Package[], sources: readonly Source[]): Breach[] {
  return sources.flatMap((source) => {
    const owner = packages.find(({ folder }) => source.path.startsWith(`${folder}/`))
    return importsOf(source.text).flatMap(({ specifier, line }) => {
      const message = specifier.startsWith('.')
        ? problemOfRelative(specifier, source, owner)
        : problemOfPackage(specifier, source, owner)
      return message === undefined ? [] : [{ where: `${source.path}:${line}`, message }]
    })
  })
}

function problemOfPackage(specifier: string, source: Source, owner: Package | undefined): string | undefined {
  const [, name, subpath] = /^(@cinelake\/[^/]+)(\/.+)?$/.exec(specifier) ?? []
  if (name === undefined) return undefined
  const only = PARTS[specifier]
  if (only !== undefined) {
    if (owner?.name === only || owner?.name === name || isForTests(source.path)) return undefined
    return `imports ${specifier}, which is for ${only} alone; import ${name}`
  }
  const mayName =
    subpath === undefined || isConfiguration(subpath) || mayNameAdapters(source.path) || standsOn(source.path, subpath)
  if (!mayName) {
    return `imports the adapter ${specifier}; take the port from ${name} and leave the choice to main.ts`
  }
  if (owner === undefined || isForTests(source.path) || name === owner.name || owner.dependencies.includes(name))
    return undefined
  return `imports ${name}, which is not among the dependencies of ${owner.name}${owner.devDependencies.includes(name) ? ' (only tests may use devDependencies)' : ''}`
}

function problemOfRelative(specifier: string, source: Source, owner: Package | undefined): string | undefined {
  if (owner === undefined) return undefined
  const target = posix.join(posix.dirname(source.path), specifier)
  if (target.startsWith(`${owner.folder}/`)) return undefined
  return `imports ${target} by path; import the package that it belongs to`
}

/** How a kind of source is written is no adapter: it loads nothing that reads the source. */
const isConfiguration = (subpath: string) => subpath === '/config' || subpath === '/questions'

/** Adapters are named where everything is put together, for a service or a job of it, and where that is tested. */
function mayNameAdapters(path: string): boolean {
  return isForTests(path) || /\/src\/(main|migrate)\.ts$/.test(path) || path.startsWith('apps/cli/')
}

/**
 * What an adapter stands on in a package below: the adapter of the same technology, or, for who opens adapters by an address,
 * who does so there.
 */
function standsOn(path: string, subpath: string): boolean {
  const [, part] = /^libs\/[^/]+\/src\/([^/]+?)(?:\.ts$|\/)/.exec(path) ?? []
  // PGlite is a PostgreSQL.
  return part !== undefined && (subpath === `/${part}` || (part === 'postgres' && subpath === '/pglite'))
}

/** Whether a file is for tests alone: a test, what it shares with others, and what is never shipped. */
export function isForTests(path: string): boolean {
  // Suites of ports are called so; `read-contract.ts` reads contracts of data.
  return (
    /\.(test|fixture)\.ts$|(?<!\/read)-contract\.ts$|^[^/]+\/[^/]+\/test\//.test(path) ||
    ['libs/testkit/', 'bench/', 'test/', 'tools/'].some((folder) => path.startsWith(folder))
  )
}

function layerOf({ tags }: Package): Layer | undefined {
  const layers = LAYERS.filter((layer) => tags.includes(`layer:${layer}`))
  return layers.length === 1 ? layers[0] : undefined
}

function isAllowed(from: Package, to: string, layer: Layer, allowed: readonly Layer[]): boolean {
  if (allowed.includes(layer) || MAY_BESIDES[from.name]?.includes(to) === true) return true
  return from.name === WHOLE_PLATFORM && (layer === 'app' || layer === 'sample')
}

/** The modules that a text imports, types alike, and the line of each. */
export function importsOf(text: string): { readonly specifier: string; readonly line: number }[] {
  return [...text.matchAll(/(?:^|[\s;})])(?:from|import)\s*\(?\s*'([^'\n]+)'/g)].map((match) => ({
    specifier: match[1] ?? '',
    line: text.slice(0, match.index + match[0].length).split('\n').length,
  }))
}
