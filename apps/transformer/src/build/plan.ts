import { type Build, LATEST_WINDOW, type TableVersion } from '@cinelake/contracts'
import { sha256 } from '@cinelake/core'
import type { DeltaSnapshot, DeltaTxn } from '@cinelake/delta'
import type { CheckedModel } from '@cinelake/pipeline'
import { isCommitted, txnOf } from '../target-table.ts'

/** Table property: the versions of the inputs that the latest build read, as JSON by table. Exported for tests. */
export const PINS_PROPERTY = 'cinelake.pins'
/**
 * Table property: the table ids of those inputs, as JSON by table. Separate, so that a worker of the previous release
 * can read the pins. Exported for tests.
 */
export const PINNED_IDS_PROPERTY = 'cinelake.pinnedIds'

/** The versions that a command pins, in the format of the table property. */
export function pinsOf({ inputs }: Pick<Build, 'inputs'>): string {
  return JSON.stringify(Object.fromEntries(inputs.map(({ table, version }) => [table, version])))
}

/** The table ids that a command pins, as far as they are known. Exported for tests. */
export function pinnedIdsOf({ inputs }: Pick<Build, 'inputs'>): string {
  return JSON.stringify(Object.fromEntries(inputs.flatMap(({ table, id }) => (id === undefined ? [] : [[table, id]]))))
}

type Pinned = Omit<TableVersion, 'table'>
/** The current state of a table. */
type Latest = Pick<DeltaSnapshot, 'version' | 'id'>

/**
 * The inputs of a build, none older than those of the table. A late window (its first attempts failed, later windows
 * succeeded) pins the versions that its own run saw; its result could replace rows that were made from newer inputs,
 * and revert them. Such an input is read in the version that the table was last made from.
 *
 * Safe against a concurrent build only if this one's commit is based on the same snapshot.
 * @param latestOf the current state of an input's table: a pin beyond it, or with another table id, is of a table that
 * is gone, and is ignored
 * @returns the same object where no input is older
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

/** Of two table ids the pinned one may be the later, which the table itself tells; with one id the version decides. */
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

/** A value that does not parse was not written by a build. */
function objectIn(text: string | undefined): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(text ?? '{}')
    return typeof parsed === 'object' && parsed !== null ? { ...parsed } : {}
  } catch {
    return {}
  }
}

/** Table property: digest of the inputs of the latest build. The same inputs need no new build. */
const INPUTS_PROPERTY = 'cinelake.inputs'

type BuildPlan =
  /** No work: the table's version is the result. */
  | { readonly action: 'unchanged' | 'superseded'; readonly snapshot: DeltaSnapshot }
  | {
      readonly action: 'build'
      readonly txn: DeltaTxn
      /** The version that the plan is based on, -1 where there is no table yet. */
      readonly basedOn: number
      readonly configuration: Readonly<Record<string, string>>
    }

/**
 * Plans a command by the current table. A command whose commit is already in the table is built again: its rows are
 * counted again, and the commit finds itself there.
 */
export function planBuild(command: Build, model: CheckedModel, snapshot: DeltaSnapshot | undefined): BuildPlan {
  const txn = txnOf(command)
  const digest = inputsDigest(command, model)
  const latest = snapshot?.configuration[LATEST_WINDOW] ?? ''
  if (snapshot !== undefined && !isCommitted(command, snapshot)) {
    if (wasMadeOf(snapshot, command, model)) return { action: 'unchanged', snapshot }
    if (goesForwardOnly(model) && command.window.start < latest) return { action: 'superseded', snapshot }
  }
  const window = command.window.start > latest ? command.window.start : latest
  return {
    action: 'build',
    txn,
    basedOn: snapshot?.version ?? -1,
    configuration: {
      [INPUTS_PROPERTY]: digest,
      [LATEST_WINDOW]: window,
      [PINS_PROPERTY]: pinsOf(command),
      [PINNED_IDS_PROPERTY]: pinnedIdsOf(command),
    },
  }
}

function wasMadeOf({ configuration }: DeltaSnapshot, command: Build, model: CheckedModel): boolean {
  if (configuration[INPUTS_PROPERTY] === inputsDigest(command, model)) return true
  // A table that was built before inputs had table ids.
  const withoutIds = { ...command, inputs: command.inputs.map(({ table, version }) => ({ table, version })) }
  return (
    configuration[PINNED_IDS_PROPERTY] === undefined &&
    configuration[INPUTS_PROPERTY] === inputsDigest(withoutIds, model)
  )
}

/**
 * Whether an older window would revert the table to an older state. Where only the inputs matter, rows that an older
 * window added to them belong in the table as well; inputs never go back (`newest-inputs.ts`).
 */
function goesForwardOnly({ materialization, usesWindow }: CheckedModel): boolean {
  return materialization === 'history' || (materialization === 'table' && usesWindow)
}

/** All inputs that the result depends on. */
function inputsDigest({ inputs, window }: Build, model: CheckedModel): string {
  const versions = inputs
    .map(({ table, version, id }) => `${table}@${version}${id === undefined ? '' : `#${id}`}`)
    .toSorted((one, other) => (one < other ? -1 : 1))
  // History writes the window into its rows, but only where a state has changed, which requires other inputs.
  return sha256(JSON.stringify([{ ...model, description: '' }, versions, model.usesWindow ? window.start : null]))
}
