/**
 * The suggestion for an unknown name: the closest known name, or all of them.
 * @param known the valid names
 * @param otherwise the advice when there are no valid names
 */
export function suggest(name: string, known: Iterable<string>, otherwise = 'remove it'): string {
  const names = [...new Set(known)]
  const closest = closestName(name, names)
  if (closest !== undefined) return `did you mean \`${closest}\`?`
  if (names.length === 0) return otherwise
  const shown = names.slice(0, MAX_SHOWN).map((text) => `\`${text}\``)
  if (names.length > MAX_SHOWN) shown.push(`… (${names.length} in all)`)
  return names.length === 1 ? `expected ${shown.join('')}` : `expected one of ${shown.join(', ')}`
}

/** Number of names that are listed at most. */
const MAX_SHOWN = 20

/** The most similar name: up to a third of its letters may differ. Undefined when no name is that close. */
export function closestName(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined
  let bestDistance = Infinity
  for (const candidate of known) {
    const distance = editDistance(plain(name), plain(candidate))
    if (distance < bestDistance && distance <= Math.max(1, Math.floor(Math.min(name.length, candidate.length) / 3))) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

const plain = (name: string) => name.toLowerCase().replaceAll(/[\s_-]/g, '')

/** Edit distance: letters to insert, delete, replace or swap with their neighbour to turn one text into the other. */
function editDistance(one: string, other: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (let row = 1; row <= one.length; row++) {
    const current = [row]
    for (let column = 1; column <= other.length; column++) {
      const same = one[row - 1] === other[column - 1]
      const swapped = row > 1 && column > 1 && one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1]
      current[column] = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (same ? 0 : 1),
        swapped ? (beforeLast[column - 2] ?? 0) + 1 : Infinity,
      )
    }
    beforeLast = last
    last = current
  }
  return last[other.length] ?? 0
}
