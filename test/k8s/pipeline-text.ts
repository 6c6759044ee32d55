import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ofKind, titleOf, workloadsOf, type Manifest } from './manifests.ts'

/** Bytes. What a ConfigMap may hold. Source: kubernetes.io/docs/concepts/configuration/configmap */
const CONFIG_MAP_BYTES = 1024 * 1024

/** ConfigMaps that the cluster would refuse for their size, one sentence each. */
export function sizeProblems(manifests: readonly Manifest[]): string[] {
  return ofKind(manifests, 'ConfigMap')
    .map((each) => ({ title: titleOf(each), bytes: Buffer.byteLength(JSON.stringify(each.data ?? {})) }))
    .filter(({ bytes }) => bytes > CONFIG_MAP_BYTES)
    .map(({ title, bytes }) => `${title}: expected at most ${CONFIG_MAP_BYTES} bytes, got ${bytes}`)
}

/**
 * Writes what the scheduler's pod would see below `root`, as a node does it: the files are links into a folder that is
 * replaced as a whole, and a file that is mounted alone is none.
 */
export function mountPipelines(manifests: readonly Manifest[], root: string): void {
  const scheduler = workloadsOf(manifests).find(({ name }) => name === 'scheduler')
  for (const { name, mountPath, subPath } of scheduler?.container.volumeMounts ?? []) {
    const volume = scheduler?.pod.volumes?.find((each) => each.name === name)
    const map = ofKind(manifests, 'ConfigMap').find(({ metadata }) => metadata.name === volume?.configMap?.name)
    if (map?.data === undefined) continue
    const target = join(root, mountPath)
    if (subPath === undefined) projectFiles(map.data, target)
    else writeAt(target, map.data[subPath] ?? '')
  }
}

function projectFiles(data: Readonly<Record<string, string>>, target: string): void {
  const version = '..2026_03_01_00_00_00.1'
  for (const [file, text] of Object.entries(data)) writeAt(join(target, version, file), text)
  symlinkSync(version, join(target, '..data_tmp'))
  renameSync(join(target, '..data_tmp'), join(target, '..data'))
  for (const file of Object.keys(data)) symlinkSync(join('..data', file), join(target, file))
}

function writeAt(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}
