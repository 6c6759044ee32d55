import { Refusal } from './answer.ts'
import type { StorageRequest } from './request.ts'
import { stamp, type Container, type Directory, type Node, type Step, type StoredFile } from './state.ts'

/** What an operation works on. */
export type Context = {
  readonly request: StorageRequest
  readonly container: Container
  /** Carries out steps, all or none, and lets go of the bytes that nothing names any more. */
  readonly commit: (steps: readonly Step[]) => void
}

/** @throws {Refusal} 404 */
export function existing({ request, container }: Context, code: string): Node {
  const node = container.nodes.get(request.path)
  if (node === undefined) throw new Refusal(404, code, 'there is nothing at this path')
  return node
}

/**
 * The steps that make the directories above a path.
 * @throws {Refusal} 409: one of them is a file
 */
export function parentsOf({ request, container }: Context): Step[] {
  const segments = request.path.split('/')
  const steps: Step[] = []
  for (let depth = 1; depth < segments.length; depth += 1) {
    const path = segments.slice(0, depth).join('/')
    const node = container.nodes.get(path)
    if (node?.kind === 'file') throw new Refusal(409, 'ResourceTypeMismatch', 'a directory of the path is a file')
    if (node === undefined) steps.push({ op: 'set', container: request.container, path, node: newDirectory() })
  }
  return steps
}

/** @throws {Refusal} 409: there is a directory */
export function fileAt({ request, container }: Context): StoredFile | undefined {
  const node = container.nodes.get(request.path)
  if (node?.kind === 'directory') throw new Refusal(409, 'ResourceTypeMismatch', 'there is a directory at this path')
  return node
}

/** Paths below a directory, itself not included. */
export function pathsBelow({ nodes }: Container, directory: string): string[] {
  return [...nodes.keys()].filter((path) => path.startsWith(`${directory}/`))
}

export function newDirectory(): Directory {
  const now = stamp()
  return { kind: 'directory', ...now, createdAt: now.modifiedAt, metadata: {}, headers: {} }
}

/** A new version of a file in place of an old one. */
export function newFile(
  before: Node | undefined,
  fields: Pick<StoredFile, 'blocks' | 'metadata' | 'headers'>,
): StoredFile {
  const now = stamp()
  const sizeBytes = fields.blocks.reduce((sum, block) => sum + block.sizeBytes, 0)
  return { kind: 'file', ...now, createdAt: before?.createdAt ?? now.modifiedAt, sizeBytes, ...fields }
}

/** What every answer about a path says. */
export function tagsOf({ etag, modifiedAt }: Pick<Node, 'etag' | 'modifiedAt'>): Record<string, string> {
  return { etag, 'last-modified': new Date(modifiedAt).toUTCString() }
}
