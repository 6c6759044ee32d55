import { ConfigError } from '@cinelake/core'
import type { RedoAsked } from '@cinelake/scheduler'

/** Options that select tasks of windows that have run for a re-run; the same for `run` and `plan`. */
export type RedoOptions = {
  readonly again?: true
  readonly changed?: true
  readonly select?: readonly string[]
  readonly fromRaw?: true
}

export const SELECTORS =
  'a dataset, a model, a table of the mart or SOURCE/DATASET; NAME+ with all that depends on it, +NAME with what it needs; several with commas'

/** For an option that may be repeated, or have a list with commas. */
export function listed(text: string, before: readonly string[] = []): string[] {
  return [...before, ...text.split(',').map((name) => name.trim())].filter((name) => name !== '')
}

/**
 * The re-run that the options request; undefined where they request windows as they are.
 * @throws {ConfigError} terminal: more than one of them was given
 */
export function redoAsked({ again, changed, select, fromRaw }: RedoOptions): RedoAsked | undefined {
  const given = [
    ...(again === true ? ['--again'] : []),
    ...(changed === true ? ['--changed'] : []),
    ...(select === undefined ? [] : ['--select']),
    ...(fromRaw === true ? ['--from-raw'] : []),
  ]
  if (given.length > 1) {
    throw new ConfigError('the options cannot be used', [`${given.join(' and ')}: expected one of them`])
  }
  if (changed === true) return { kind: 'changed' }
  if (fromRaw === true) return { kind: 'from-raw' }
  return select === undefined ? undefined : { kind: 'select', names: select }
}
