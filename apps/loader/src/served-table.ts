import type { Load } from '@cinelake/contracts'
import { defineErrors, terminal } from '@cinelake/core'
import { defaultSchema, type CheckedPipeline } from '@cinelake/pipeline'
import { MART, type ListedTable, type WarehouseTable } from '@cinelake/warehouse'

export const servedErrors = defineErrors({
  /** A command names a table that its pipeline does not serve. */
  LOADER_TABLE_NOT_SERVED: terminal((table: string, pipeline: string) => [
    `the table is not served [table=${table}, pipeline=${pipeline}]: expected it under \`serve\`, got nothing; ` +
      'add it there, or start the run again with the pipeline as it is now',
    { table, pipeline },
  ]),

  /** The task has nothing to load. */
  LOADER_TABLE_MISSING: terminal((table: string, path: string) => [
    `the refined table is not there [table=${table}, path=${path}]: expected a Delta table, got none; ` +
      `rebuild the table from raw: \`cinelake rebuild DIR ${table}\` (DIR is the folder of its pipeline)`,
    { table, path },
  ]),
})

/**
 * A pipeline whose text names no schema, and that has tables in `mart` from before pipelines had their own schemas,
 * stays there: analysts know them by that name. @param loaded the pipeline's own tables
 */
export function schemaFor(
  { name, schema }: Pick<CheckedPipeline, 'name' | 'schema'>,
  loaded: readonly Pick<ListedTable, 'schema'>[],
): string {
  if (schema !== undefined) return schema
  const usual = defaultSchema(name)
  const has = new Set(loaded.map((table) => table.schema))
  return has.has(MART) && !has.has(usual) ? MART : usual
}

/** The mart table that a refined table becomes, by its pipeline. @throws {LOADER_TABLE_NOT_SERVED} terminal */
export function servedTable(
  pipeline: CheckedPipeline,
  command: Pick<Load, 'table'>,
  schema: string,
): WarehouseTable & { readonly schema: string } {
  const served = pipeline.serve.find(({ table }) => table === command.table)
  if (served === undefined) throw servedErrors.LOADER_TABLE_NOT_SERVED(command.table, pipeline.name)
  return {
    schema,
    name: served.as,
    columns: served.columns.map(({ name, type, maxLength, required, renamedFrom, description }) => ({
      name,
      type: type === 'VARCHAR' && maxLength !== undefined ? `VARCHAR(${maxLength})` : type,
      required,
      ...(renamedFrom === undefined ? {} : { renamedFrom }),
      ...(description === undefined ? {} : { description }),
    })),
    primaryKey: served.primaryKey,
    ...(served.description === undefined ? {} : { description: served.description }),
  }
}
