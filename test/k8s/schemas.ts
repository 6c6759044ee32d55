import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { titleOf, type Manifest } from './manifests.ts'
import { ROOT } from './render.ts'

/**
 * What is wrong with manifests by the schemas of Kubernetes and KEDA, one sentence each. No cluster is asked.
 *
 * Two looks at the same schemas: the type checker, which alone knows of fields that do not exist; and the validators, which
 * know formats, patterns and limits.
 */
export async function schemaProblems(manifests: readonly Manifest[]): Promise<string[]> {
  const unknown = manifests.filter((each) => moduleOf(each) === undefined)
  const known = manifests.filter((each) => moduleOf(each) !== undefined)
  return [
    ...unknown.map((each) => `${titleOf(each)}: expected a kind with a schema, got ${each.apiVersion} ${each.kind}`),
    ...typeProblems(known),
    ...(await Promise.all(known.map(valueProblems))).flat(),
  ]
}

/** Where the model of a kind is. */
function moduleOf({ apiVersion, kind }: Manifest): string | undefined {
  if (kind === 'SecretProviderClass') return join(import.meta.dirname, 'secret-provider-class.ts')
  const [group] = apiVersion.split('/')
  if (group === 'keda.sh') return `@kubernetes-models/keda/${apiVersion}/${kind}`
  const ours = [
    'v1',
    'apps',
    'batch',
    'autoscaling',
    'policy',
    'networking.k8s.io',
    'rbac.authorization.k8s.io',
    'storage.k8s.io',
  ]
  return ours.includes(group ?? '') ? `kubernetes-models/${apiVersion}/${kind}` : undefined
}

/** Each manifest as a literal of its type: the compiler tells what is misspelt, missing or of another type. */
function typeProblems(manifests: readonly Manifest[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'cinelake-test-'))
  try {
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
    const files = new Map(manifests.map((each, index) => [`m${index}.ts`, each]))
    for (const [file, manifest] of files) writeFileSync(join(folder, file), literalOf(manifest))
    const options = ['--noEmit', '--strict', '--skipLibCheck', '--allowImportingTsExtensions', '--pretty', 'false']
    const modules = ['--module', 'nodenext', '--target', 'es2024', '--types', '']
    const compiler = join(ROOT, 'node_modules/.bin/tsc')
    const { stdout, error } = spawnSync(compiler, [...options, ...modules, ...files.keys()], {
      cwd: folder,
      encoding: 'utf8',
    })
    if (error !== undefined) throw error
    return [...stdout.matchAll(/^(m\d+\.ts)\(.*?\): error \w+: (.*(?:\n {2}.*)*)/gm)].map(([, file, message = '']) => {
      const manifest = files.get(file ?? '')
      return `${manifest === undefined ? file : titleOf(manifest)}: ${message.split('\n').at(-1)?.trim()}`
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function literalOf(manifest: Manifest): string {
  const type = `import type { I${manifest.kind} as Model } from ${JSON.stringify(moduleOf(manifest))}`
  return `${type}\nexport const manifest: Model = ${JSON.stringify(manifest, undefined, 2)}\n`
}

type Model = new (data: unknown) => { validate(): void }

async function valueProblems(manifest: Manifest): Promise<string[]> {
  if (manifest.kind === 'SecretProviderClass') return []
  const module = (await import(moduleOf(manifest) ?? '')) as Readonly<Record<string, Model>>
  const Kind = module[manifest.kind]
  if (Kind === undefined) return [`${titleOf(manifest)}: expected a validator, got none`]
  try {
    new Kind(manifest).validate()
    return []
  } catch (error) {
    return [`${titleOf(manifest)}: ${error instanceof Error ? error.message : String(error)}`]
  }
}
