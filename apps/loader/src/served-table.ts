import type { Load } from '@cinelake/contracts'
import { TerminalError } from '@cinelake/core'
import type { CheckedPipeline } from '@cinelake/pipeline'
import type { WarehouseTable } from '@cinelake/warehouse'

/** A command names a table that its pipeline does not serve. */
export class TableNotServedError extends TerminalError {
  readonly code = 'LOADER_TABLE_NOT_SERVED'

  constructor(table: string, pipeline: string) {
    super(
      `the table is not served [table=${table}, pipeline=${pipeline}]: expected it under \`serve\`, got nothing; ` +
        'add it there, or start the run again with the pipeline as it is now',
      { table, pipeline },
    )
  }
}

/** There is nothing to load. */
export class RefinedTableMissingError extends TerminalError {
  readonly code = 'LOADER_TABLE_MISSING'

  constructor(table: string, path: string) {
    super(
      `the refined table is not there [table=${table}, path=${path}]: expected a Delta table, got none; ` +
        `rebuild the table from raw: \`cinelake rebuild DIR ${table}\` (DIR is the folder of its pipeline)`,
      { table, path },
    )
  }
}

/** The mart table that a refined table becomes, by its pipeline. @throws {TableNotServedError} terminal */
export function servedTable(pipeline: CheckedPipeline, command: Pick<Load, 'table'>): WarehouseTable {
  const served = pipeline.serve.find(({ table }) => table === command.table)
  if (served === undefined) throw new TableNotServedError(command.table, pipeline.name)
  return {
    name: served.as,
    columns: served.columns.map(({ name, type, maxLength, required, description }) => ({
      name,
      type: type === 'VARCHAR' && maxLength !== undefined ? `VARCHAR(${maxLength})` : type,
      required,
      ...(description === undefined ? {} : { description }),
    })),
    primaryKey: served.primaryKey,
    ...(served.description === undefined ? {} : { description: served.description }),
  }
}
