import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

// Makes what `pnpm deploy` wrote smaller, and its list of components true. The argument is the deployed app's directory.

/** Packages that are installed with an app and never loaded by it, each with the reason. */
const NEVER_LOADED: readonly string[] = [
  // Only the browser's build of @azure/identity imports it.
  '@azure/msal-browser',
  // Types.
  '@types/node',
  'undici-types',
]

/** Of other people's packages: what Node does not run. Licences stay. */
const NOT_RUN = /\.(map|ts|mts|cts|flow|tsbuildinfo)$|^(readme|changelog|history|contributing|security)(\.md|\.txt)?$/i

/** Builds for other platforms, beside the ones for Node. */
const OTHER_PLATFORMS: ReadonlySet<string> = new Set(['browser', 'react-native', 'workerd', 'dist-browser'])

type Component = { name: string; group?: string; version: string; purl: string; 'bom-ref': string }
type Sbom = { components: Component[]; dependencies?: { ref: string; dependsOn?: string[] }[] }

const [directory] = process.argv.slice(2)
if (directory === undefined) throw new Error('expected the directory of the deployed app as argument')
const store = join(directory, 'node_modules/.pnpm')
const app =
  (JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as { name: string }).name.split('/')[1] ?? ''

for (const name of [
  'pnpm-lock.yaml',
  'pnpm-workspace.yaml',
  'node_modules/.modules.yaml',
  'node_modules/.pnpm/lock.yaml',
]) {
  rmSync(join(directory, name), { force: true })
}
for (const name of NEVER_LOADED) remove(name)
for (const name of readdirSync(store)) if (!name.startsWith('@cinelake+')) trim(join(store, name), name.startsWith('@'))
writeSbom(join(directory, 'sbom.cdx.json'))

/** Links to the package are left behind, pointing nowhere: what imports it fails as if it were not installed. */
function remove(name: string): void {
  const prefix = `${name.replace('/', '+')}@`
  for (const folder of readdirSync(store).filter((each) => each.startsWith(prefix))) {
    rmSync(join(store, folder), { recursive: true })
  }
}

function trim(folder: string, isScoped: boolean): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isFile() && NOT_RUN.test(entry.name)) rmSync(path)
    if (!entry.isDirectory()) continue
    if (isScoped && OTHER_PLATFORMS.has(entry.name) && /\/dist\/[^/]+$|\/dist-browser$/.test(path))
      rmSync(path, { recursive: true })
    else trim(path, isScoped)
  }
  if (readdirSync(folder).length === 0) rmdirSync(folder)
}

/** Keeps the components that are there, and gives the workspace's own packages a version instead of a path. */
function writeSbom(file: string): void {
  const sbom = JSON.parse(readFileSync(file, 'utf8')) as Sbom
  const folders = readdirSync(store)
  const names = new Map<string, string>()
  sbom.components = sbom.components.flatMap((component) => {
    const name = [component.group, component.name].filter(Boolean).join('/')
    const prefix = `${name.replace('/', '+')}@`
    const isLocal = component.version.startsWith('file:')
    const folder = folders.find((each) => each.startsWith(isLocal ? prefix : `${prefix}${component.version}`))
    if (folder === undefined) return []
    if (!isLocal) return [component]
    const version = versionOf(join(store, folder, 'node_modules', name))
    const purl = component.purl.replace(/@file:.*$/, `@${version}`)
    names.set(component['bom-ref'], purl)
    return [{ ...component, version, purl, 'bom-ref': purl }]
  })
  const present = new Set(sbom.components.map((component) => component['bom-ref']))
  const refOf = (ref: string) => names.get(ref) ?? ref
  sbom.dependencies = (sbom.dependencies ?? [])
    .map(({ ref, dependsOn = [] }) => ({
      ref: refOf(ref),
      dependsOn: dependsOn.map(refOf).filter((each) => present.has(each)),
    }))
    .filter(({ ref }) => present.has(ref) || ref.includes(`/${app}@`))
  writeFileSync(file, JSON.stringify(sbom))
}

function versionOf(folder: string): string {
  const manifest = join(folder, 'package.json')
  return existsSync(manifest) ? (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version : '0.0.0'
}
