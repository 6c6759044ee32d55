import type { Build, TableVersion } from '@cinelake/contracts'
import type { DeltaSnapshot } from '@cinelake/delta'

/** Table property: the versions of the inputs that the latest build read, as JSON by table. */
export const PINS_PROPERTY = 'cinelake.pins'
/** Table property: the identities of those inputs, as JSON by table. Apart, so that a worker of the version before reads the pins. */
export const PINNED_IDS_PROPERTY = 'cinelake.pinnedIds'

/** The versions that a command pins, as the table property has them. */
export function pinsOf({ inputs }: Pick<Build, 'inputs'>): string {
  return JSON.stringify(Object.fromEntries(inputs.map(({ table, version }) => [table, version])))
}

/** The identities that a command pins, as far as they are known. */
export function pinnedIdsOf({ inputs }: Pick<Build, 'inputs'>): string {
  return JSON.stringify(Object.fromEntries(inputs.flatMap(({ table, id }) => (id === undefined ? [] : [[table, id]]))))
}

type Pinned = Omit<TableVersion, 'table'>
/** A table as it is now. */
type Latest = Pick<DeltaSnapshot, 'version' | 'id'>

/**
 * The inputs of a build that must not know less than the table does. A window that comes late (its first tries failed,
 * later windows went on) pins what its own run saw; its result may replace rows that were made with later knowledge, and
 * would put them back. Such an input is read in the version that the table was last made from.
 *
 * Safe against a build that commits meanwhile only if this one's commit is based on the same snapshot.
 * @param latestOf an input's table as it is now: a pin beyond it, or of another identity, is of a table that is gone and
 *   says nothing
 * @returns the same inputs, identically, where none is older
 */
export async function newestInputs(
  inputs: Build['inputs'],
  snapshot: Pick<DeltaSnapshot, 'configuration'> | undefined,
  latestOf: (table: string) => Promise<Latest | undefined>,
): Promise<Build['inputs']> {
  const pins = readPins(snapshot?.configuration)
  let isRaised = false
  const newest = []
  for (const input of inputs) {
    const pin = pins.get(input.table)
    const raise = pin !== undefined && isOlder(input, pin) && isOf(pin, await latestOf(input.table))
    isRaised ||= raise
    newest.push(raise ? { table: input.table, ...pin } : input)
  }
  return isRaised ? newest : inputs
}

/** Of two identities the pinned one may be the later, which the table itself tells; of one the version does. */
function isOlder(input: Pinned, pin: Pinned): boolean {
  const isSame = input.id === undefined || pin.id === undefined || input.id === pin.id
  return isSame ? pin.version > input.version : true
}

function isOf(pin: Pinned, latest: Latest | undefined): boolean {
  if (latest === undefined || pin.version > latest.version) return false
  return pin.id === undefined || pin.id === latest.id
}

function readPins(configuration: DeltaSnapshot['configuration'] = {}): ReadonlyMap<string, Pinned> {
  const ids = objectIn(configuration[PINNED_IDS_PROPERTY])
  const pins = new Map<string, Pinned>()
  for (const [table, version] of Object.entries(objectIn(configuration[PINS_PROPERTY]))) {
    const id = ids[table]
    if (Number.isSafeInteger(version))
      pins.set(table, { version: Number(version), ...(typeof id === 'string' && { id }) })
  }
  return pins
}

/** What does not parse was not written by a build. */
function objectIn(text: string | undefined): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(text ?? '{}')
    return typeof parsed === 'object' && parsed !== null ? { ...parsed } : {}
  } catch {
    return {}
  }
}
