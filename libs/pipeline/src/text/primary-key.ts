import type { Context, PlacedProperty } from './read-contract.ts'

/** The primary key's columns in order: by their positions, or as they are listed when none is given. */
export function primaryKeyOf(properties: readonly PlacedProperty[], { text, problems, path }: Context): string[] {
  const place = (at: number) => text.at([...path, at, 'primaryKeyPosition'])
  // -1 is the standard's "no position".
  const positionOf = ({ property }: PlacedProperty) =>
    property.primaryKeyPosition === -1 ? undefined : property.primaryKeyPosition
  const keys = properties.filter(({ property }) => property.primaryKey === true)
  for (const entry of properties) {
    if (entry.property.primaryKey === true || positionOf(entry) === undefined) continue
    problems.error(
      place(entry.at),
      `column \`${entry.property.name}\` has a primaryKeyPosition but is not in the primary key`,
      'add `primaryKey: true`, or remove the position',
    )
  }
  if (keys.every((entry) => positionOf(entry) === undefined)) return keys.map(({ property }) => property.name)
  const taken = new Map<number, string>()
  for (const entry of keys) {
    const { name } = entry.property
    const position = positionOf(entry)
    const other = position === undefined ? undefined : taken.get(position)
    if (position === undefined) {
      problems.error(
        text.at([...path, entry.at]),
        `column \`${name}\` of the primary key has no primaryKeyPosition, others have`,
        `give the ${keys.length} columns the positions 1 to ${keys.length}, or none of them`,
      )
    } else if (other !== undefined) {
      problems.error(
        place(entry.at),
        `columns \`${other}\` and \`${name}\` have the same primaryKeyPosition ${position}`,
        `give the ${keys.length} columns the positions 1 to ${keys.length}`,
      )
    } else if (position < 1 || position > keys.length) {
      problems.error(
        place(entry.at),
        `column \`${name}\` has primaryKeyPosition ${position} in a primary key of ${keys.length}`,
        `give the ${keys.length} columns the positions 1 to ${keys.length}`,
      )
    } else taken.set(position, name)
  }
  const sorted = [...keys].sort((one, other) => (positionOf(one) ?? Infinity) - (positionOf(other) ?? Infinity))
  return sorted.map(({ property }) => property.name)
}
