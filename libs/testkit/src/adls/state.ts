import { randomBytes } from 'node:crypto'

/** A run of bytes in a file of the block store. */
export type Block = { readonly file: string; readonly sizeBytes: number }

/** A block that the Blob API can name: a part of a committed object, or one that waits for its commit. */
export type NamedBlock = Block & { readonly id: string }

type Common = {
  readonly etag: string
  /** ISO 8601. Answers have it in whole seconds, as Azure does. */
  readonly modifiedAt: string
  readonly createdAt: string
  readonly metadata: Readonly<Record<string, string>>
  /** `content-type`, `content-md5` and the like. */
  readonly headers: Readonly<Record<string, string>>
}

export type StoredFile = Common & {
  readonly kind: 'file'
  readonly sizeBytes: number
  readonly blocks: readonly NamedBlock[]
}
export type Directory = Common & { readonly kind: 'directory' }
export type Node = StoredFile | Directory

/** One step of a change; a request's steps happen together or not at all. */
export type Step =
  | { readonly op: 'create-container'; readonly container: string; readonly at: string }
  | { readonly op: 'drop-container'; readonly container: string }
  | { readonly op: 'set'; readonly container: string; readonly path: string; readonly node: Node }
  | { readonly op: 'remove'; readonly container: string; readonly path: string }
  | { readonly op: 'stage'; readonly container: string; readonly path: string; readonly block: NamedBlock }
  | { readonly op: 'unstage'; readonly container: string; readonly path: string }

export type Container = {
  readonly createdAt: string
  readonly nodes: Map<string, Node>
  /** Blocks that wait for their commit, by path and id. An append of the DFS API has the id `@` and its position. */
  readonly staged: Map<string, Map<string, NamedBlock>>
}

/** All that an account holds, in memory but for the bytes. */
export type State = Map<string, Container>

/** Carries out one step. @returns files of the block store that nothing names any more */
export function apply(state: State, step: Step): string[] {
  if (step.op === 'create-container') {
    state.set(step.container, { createdAt: step.at, nodes: new Map(), staged: new Map() })
    return []
  }
  const container = state.get(step.container)
  if (container === undefined) return []
  if (step.op === 'drop-container') {
    state.delete(step.container)
    return [...filesOf(container)]
  }
  const before = filesAt(container, step.path)
  change(container, step)
  const after = new Set(filesAt(container, step.path))
  return before.filter((file) => !after.has(file))
}

function change(
  { nodes, staged }: Container,
  step: Exclude<Step, { op: 'create-container' | 'drop-container' }>,
): void {
  switch (step.op) {
    case 'set':
      nodes.set(step.path, step.node)
      break
    case 'remove':
      nodes.delete(step.path)
      break
    case 'stage': {
      const blocks = staged.get(step.path) ?? new Map<string, NamedBlock>()
      blocks.set(step.block.id, step.block)
      staged.set(step.path, blocks)
      break
    }
    case 'unstage':
      staged.delete(step.path)
  }
}

/** Every file of the block store that a container names. */
export function* filesOf(container: Container): Generator<string> {
  for (const path of new Set([...container.nodes.keys(), ...container.staged.keys()])) yield* filesAt(container, path)
}

function filesAt({ nodes, staged }: Container, path: string): string[] {
  const node = nodes.get(path)
  const blocks = [...(node?.kind === 'file' ? node.blocks : []), ...(staged.get(path)?.values() ?? [])]
  return blocks.map(({ file }) => file)
}

/** A new version of something: its tag and its time. */
export function stamp(): { readonly etag: string; readonly modifiedAt: string } {
  return { etag: `"0x8${randomBytes(7).toString('hex').toUpperCase()}"`, modifiedAt: new Date().toISOString() }
}
