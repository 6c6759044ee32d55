import type { Build } from '@cinelake/contracts'
import type { DeltaSnapshot } from '@cinelake/delta'

/** Table property: the versions of the inputs that the latest build read, as JSON by table. */
export const PINS_PROPERTY = 'cinelake.pins'

/** The versions that a command pins, as the table property has them. */
export function pinsOf({ inputs }: Pick<Build, 'inputs'>): string {
  return JSON.stringify(Object.fromEntries(inputs.map(({ table, version }) => [table, version])))
}

/**
 * The inputs of a build that must not know less than the table does. A window that comes late (its first tries failed,
 * later windows went on) pins what its own run saw; its result may replace rows that were made with later knowledge, and
 * would put them back. Such an input is read in the version that the table was last made from.
 *
 * Safe against a build that commits meanwhile only if this one's commit is based on the same snapshot.
 * @param latestVersion of an input's table: a version beyond it is of a table that was begun anew, and says nothing
 * @returns the same inputs, identically, where none is older
 */
export async function newestInputs(
  inputs: Build['inputs'],
  snapshot: Pick<DeltaSnapshot, 'configuration'> | undefined,
  latestVersion: (table: string) => Promise<number | undefined>,
): Promise<Build['inputs']> {
  const pins = readPins(snapshot?.configuration[PINS_PROPERTY])
  let isRaised = false
  const newest = []
  for (const input of inputs) {
    const pin = pins.get(input.table) ?? -1
    const raise = pin > input.version && pin <= ((await latestVersion(input.table)) ?? -1)
    isRaised ||= raise
    newest.push(raise ? { ...input, version: pin } : input)
  }
  return isRaised ? newest : inputs
}

/** What does not parse was not written by a build. */
function readPins(text: string | undefined): ReadonlyMap<string, number> {
  try {
    const parsed: unknown = JSON.parse(text ?? '{}')
    if (typeof parsed !== 'object' || parsed === null) return new Map()
    return new Map(Object.entries(parsed).filter((entry): entry is [string, number] => Number.isSafeInteger(entry[1])))
  } catch {
    return new Map()
  }
}
