import type { CheckedModel } from '@cinelake/pipeline'

/** A model for tests; callers give only the fields that matter. */
export function aModel(fields: Partial<CheckedModel> = {}): CheckedModel {
  return {
    name: 'sales',
    sql: 'SELECT id, amount FROM orders',
    inputs: ['orders'],
    usesWindow: false,
    materialization: 'table',
    key: ['id'],
    partitionBy: [],
    columns: [
      { name: 'id', type: 'INTEGER' },
      { name: 'amount', type: 'INTEGER' },
    ],
    rowRules: [],
    tableRules: [],
    ...fields,
  }
}
