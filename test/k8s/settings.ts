import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { IngestApiEnv } from '../../apps/ingest-api/src/config.ts'
import { IngestFilesEnv } from '../../apps/ingest-files/src/config.ts'
import { LoaderEnv } from '../../apps/loader/src/config.ts'
import { SchedulerEnv } from '../../apps/scheduler/src/config.ts'
import { TransformerEnv } from '../../apps/transformer/src/config.ts'
import { ofKind, workloadsOf, type Manifest } from './manifests.ts'
import { ROOT } from './render.ts'

const CHASSIS = namesIn(readFileSync(join(ROOT, 'libs/service/src/run-service.ts'), 'utf8'))

const SCHEMAS = {
  'ingest-api': IngestApiEnv,
  'push-api': IngestApiEnv,
  'ingest-files': IngestFilesEnv,
  transformer: TransformerEnv,
  loader: LoaderEnv,
  scheduler: SchedulerEnv,
  migrate: SchedulerEnv,
} as const

/** The settings that each service knows. The migration reads those of the scheduler, the push API those of its program. */
export const SETTINGS: Readonly<Record<string, ReadonlySet<string>>> = Object.fromEntries(
  Object.entries(SCHEMAS).map(([service, schema]) => [service, new Set([...Object.keys(schema.in.shape), ...CHASSIS])]),
)

/** What services would say when they start, and not start, with the settings of the manifests. */
export function startProblems(manifests: readonly Manifest[]): string[] {
  const maps = new Map(ofKind(manifests, 'ConfigMap').map(({ metadata, data }) => [metadata.name, data ?? {}]))
  return workloadsOf(manifests).flatMap(({ title, name, container }) => {
    const schema = Object.entries(SCHEMAS).find(([service]) => service === name)?.[1]
    const shared = (container.envFrom ?? []).map(({ configMapRef }) => maps.get(configMapRef?.name ?? '') ?? {})
    const own = (container.env ?? []).map((each) => [each.name, each.value ?? 'from a Secret'] as const)
    const read = schema?.safeParse(Object.assign({}, ...shared, Object.fromEntries(own)))
    return (read?.error?.issues ?? []).map(({ path, message }) => `${title}: ${path.join('.')}: ${message}`)
  })
}

/** Settings in manifests that no service knows: misspelt, or of another version. */
export function settingProblems(manifests: readonly Manifest[]): string[] {
  const workloads = workloadsOf(manifests).filter(({ isOurs }) => isOurs)
  const shared = ofKind(manifests, 'ConfigMap').flatMap(({ metadata, data }) => {
    const readers = workloads.filter(({ container }) =>
      container.envFrom?.some(({ configMapRef }) => configMapRef?.name === metadata.name),
    )
    const isKnown = (name: string) => readers.some((reader) => SETTINGS[reader.name]?.has(name) === true)
    return readers.length === 0 ? [] : unknown(`ConfigMap/${metadata.name}`, Object.keys(data ?? {}), isKnown)
  })
  const own = workloads.flatMap(({ title, name, container }) =>
    unknown(title, container.env?.map((each) => each.name) ?? [], (setting) => SETTINGS[name]?.has(setting) === true),
  )
  return [...shared, ...own]
}

function unknown(title: string, names: readonly string[], isKnown: (name: string) => boolean): string[] {
  return names
    .filter((name) => name.startsWith('CINELAKE_') && !isKnown(name))
    .map((name) => `${title}: expected a setting that a service knows, got ${name}`)
}

function namesIn(text: string): string[] {
  return text.match(/CINELAKE_[A-Z_]+(?=:)/g) ?? []
}
