import { compare } from '@cinelake/config-text'

/**
 * Topological sort; by name where the dependencies leave a choice.
 * @returns the order, and the cycles that prevent one: each as the names along it
 */
export function orderByNeeds(needs: ReadonlyMap<string, readonly string[]>): {
  readonly order: string[]
  readonly circles: string[][]
} {
  const order: string[] = []
  const circles: string[][] = []
  const done = new Set<string>()
  const visit = (name: string, along: readonly string[]): void => {
    const begin = along.indexOf(name)
    if (begin >= 0) circles.push(along.slice(begin))
    if (begin >= 0 || done.has(name)) return
    for (const need of [...(needs.get(name) ?? [])].sort(compare)) if (needs.has(need)) visit(need, [...along, name])
    if (done.has(name)) return
    done.add(name)
    order.push(name)
  }
  for (const name of [...needs.keys()].sort(compare)) visit(name, [])
  return { order, circles }
}
