import { asTable } from './check/stored-columns.ts'
import { WINDOW_COLUMN } from './check/tables.ts'
import type { CheckedPipeline } from './checked/pipeline.ts'
import type { TypedColumn } from './sql-typer.ts'

/** The columns of every refined table of a pipeline by the table's name, as models read them, in build order. */
export function columnsOfTables({ datasets, models }: CheckedPipeline): Map<string, readonly TypedColumn[]> {
  const plain = ({ name, type }: TypedColumn): TypedColumn => ({ name, type })
  const tables = new Map<string, readonly TypedColumn[]>()
  for (const { name, contract } of datasets) tables.set(name, [...contract.columns.map(plain), WINDOW_COLUMN])
  for (const { name, columns, materialization } of models)
    tables.set(name, asTable(columns.map(plain), materialization))
  return tables
}
