import type { CheckedModel, CheckedPipeline } from '@cinelake/pipeline'

export type TableColumn = { readonly name: string; readonly type: string }

/** In tables of datasets: the start of the window that the row came with. */
export const WINDOW_COLUMN = '_window'

const INSTANT = 'TIMESTAMP WITH TIME ZONE'

/** The columns of every refined table of a pipeline, as models read them. */
export function columnsOfTables(pipeline: CheckedPipeline): Map<string, readonly TableColumn[]> {
  const tables = new Map<string, readonly TableColumn[]>()
  for (const { name, contract } of pipeline.datasets) {
    const columns = contract.columns.map((column) => ({ name: column.name, type: column.type }))
    tables.set(name, [...columns, { name: WINDOW_COLUMN, type: INSTANT }])
  }
  for (const model of pipeline.models) tables.set(model.name, columnsOfModel(model))
  return tables
}

function columnsOfModel({ columns, materialization }: CheckedModel): TableColumn[] {
  const own = columns.map(({ name, type }) => ({ name, type }))
  const added =
    materialization === 'history'
      ? [
          { name: 'valid_from', type: INSTANT },
          { name: 'valid_to', type: INSTANT },
          { name: 'is_current', type: 'BOOLEAN' },
        ]
      : []
  return [...own, ...added.filter(({ name }) => !own.some((column) => column.name === name))]
}
