/** A node of the engine's parse tree: DuckDB's `json_serialize_sql`. */
export type Node = Readonly<Record<string, unknown>>

export function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

/** The position of a node, in bytes of the text; undefined if the parser does not give it. */
export function locationOf(node: Node): number | undefined {
  const location = node['query_location']
  // The greatest number means no position.
  return typeof location === 'number' && location < Number.MAX_SAFE_INTEGER ? location : undefined
}

/** The child nodes of a node, including those in lists, each with its key. */
export function* childrenOf(node: Node): Generator<readonly [key: string, child: Node]> {
  for (const [key, value] of Object.entries(node)) {
    if (typeof value !== 'object' || value === null) continue
    for (const child of nodesIn(value)) yield [key, child]
  }
}

function* nodesIn(value: unknown): Generator<Node> {
  if (Array.isArray(value)) for (const item of value) yield* nodesIn(item)
  else if (isNode(value)) yield value
}
