import type { CheckedModel } from '@cinelake/pipeline'

/** A model for tests; only the fields that matter are given. */
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
