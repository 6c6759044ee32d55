import { asTable } from './check/stored-columns.ts'
import { WINDOW_COLUMN } from './check/tables.ts'
import type { CheckedPipeline } from './checked/pipeline.ts'
import type { TypedColumn } from './sql-typer.ts'

/** The columns of every refined table of a pipeline by the table's name, as models read them, in the order of the build. */
export function columnsOfTables({ datasets, models }: CheckedPipeline): Map<string, readonly TypedColumn[]> {
  const plain = ({ name, type }: TypedColumn): TypedColumn => ({ name, type })
  return new Map([
    ...datasets.map(({ name, contract }) => [name, [...contract.columns.map(plain), WINDOW_COLUMN]] as const),
    ...models.map(
      ({ name, columns, materialization }) => [name, asTable(columns.map(plain), materialization)] as const,
    ),
  ])
}
