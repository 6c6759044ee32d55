import { spawnSync } from 'node:child_process'
import { join, resolve } from 'node:path'
import { parseAllDocuments } from 'yaml'
import type { Manifest } from './manifests.ts'

export const ROOT = join(import.meta.dirname, '..', '..')

/** How to render: a program, and what stands before the folder. */
export type Renderer = { readonly program: string; readonly args: readonly string[] }

/** Kustomize by itself, or the one inside kubectl; undefined where there is neither. @param named a kustomize to prefer */
export function findRenderer(named: string | undefined): Renderer | undefined {
  const candidates = [
    ...(named === undefined ? [] : [{ program: named, args: ['build'], probe: ['version'] }]),
    { program: 'kustomize', args: ['build'], probe: ['version'] },
    { program: 'kubectl', args: ['kustomize'], probe: ['kustomize', '--help'] },
  ]
  return candidates.find(({ program, probe }) => spawnSync(program, probe, { stdio: 'ignore' }).status === 0)
}

/** What `kubectl apply -k` of a folder would send. @param folder relative to the repository, or absolute */
export function render({ program, args }: Renderer, folder: string): Manifest[] {
  const { status, stdout, stderr } = spawnSync(program, [...args, resolve(ROOT, folder)], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  if (status !== 0) throw new Error(`${folder} does not render: ${stderr}`)
  return parseAllDocuments(stdout).map((document) => document.toJS() as Manifest)
}
