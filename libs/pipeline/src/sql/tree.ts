/** A node of the tree that the engine's parser makes of SQL: DuckDB's `json_serialize_sql`. */
export type Node = Readonly<Record<string, unknown>>

export function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

/** Where a node stands, in bytes of the text; undefined where the parser does not say. */
export function locationOf(node: Node): number | undefined {
  const location = node['query_location']
  // The greatest number stands for none.
  return typeof location === 'number' && location < Number.MAX_SAFE_INTEGER ? location : undefined
}

/** The nodes right below one, through lists, each with the key that it stands under. */
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
