import type { Build } from '@cinelake/contracts'
import { sha256 } from '@cinelake/core'
import type { DeltaSnapshot, DeltaTxn } from '@cinelake/delta'
import type { CheckedModel } from '@cinelake/pipeline'
import { pinnedIdsOf, PINNED_IDS_PROPERTY, pinsOf, PINS_PROPERTY } from './newest-inputs.ts'
import { isCommitted, txnOf } from '../target-table.ts'

/** Table property: digest of the inputs of the latest build. The same inputs need no new build. */
const INPUTS_PROPERTY = 'cinelake.inputs'
/** Table property: start of the latest window that was built, a UTC instant. */
const WINDOW_PROPERTY = 'cinelake.window'

export type BuildPlan =
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
  const latest = snapshot?.configuration[WINDOW_PROPERTY] ?? ''
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
      [WINDOW_PROPERTY]: window,
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
