import type { Window } from '@cinelake/core'
import { unboundOffset } from './bind-window.ts'
import type { CheckedDataset, RowRule, TableRule } from './checked/dataset.ts'
import type { CheckedModel } from './checked/model.ts'
import { positionAt } from './sql/position.ts'

/** The file of a model, below the pipeline's folder. */
export function fileOfModel({ name, file = `models/${name}.sql` }: Pick<CheckedModel, 'name' | 'file'>): string {
  return file
}

/**
 * `models/sales.sql:4:12`: the place in a model's file of an offset in its SELECT.
 * @param boundOffset in the SELECT with the window put in
 */
export function placeInModel(
  model: Pick<CheckedModel, 'name' | 'file' | 'sql' | 'begin'>,
  window: Pick<Window, 'start' | 'end'>,
  boundOffset: number,
): string {
  const { line, column } = positionAt(model.sql, unboundOffset(model.sql, window, boundOffset))
  const { begin = { line: 1, column: 1 } } = model
  return `${fileOfModel(model)}:${begin.line + line - 1}:${line === 1 ? begin.column + column - 1 : column}`
}

/**
 * `contracts/orders.yaml:31:22`: the place of an offset in a rule's SQL. Several lines are a YAML block, in which each line has
 * the indent of the first.
 * @param file of the rule, below the pipeline's folder
 */
export function placeInRule(
  file: string,
  { begin }: Pick<RowRule | TableRule, 'begin'>,
  sql: string,
  offset: number,
): string {
  if (begin === undefined) return file
  const { line, column } = positionAt(sql, offset)
  return `${file}:${begin.line + line - 1}:${begin.column + column - 1}`
}

/** The file of a contract, below the pipeline's folder. */
export function fileOfContract({ name, contract }: Pick<CheckedDataset, 'name' | 'contract'>): string {
  return contract.file ?? `contracts/${name}.yaml`
}
