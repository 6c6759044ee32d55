import type { AddFile } from './actions.ts'
import type { Operation } from './commit.ts'
import type { TablePlace } from './data-files.ts'
import type { CommitOptions, DeltaPartition, ParquetSql } from './delta-table.ts'
import { DeltaSchemaError } from './errors.ts'
import { createWriteOnce, planAddedRows, planReplacedTable, writableShape } from './writes.ts'

type Columns = Awaited<ReturnType<ParquetSql['describe']>>
export type QueryRows = { readonly query: string; readonly columns: Columns }

/** Rows beside those that are there. What others commit meanwhile does not matter. */
export function appendOperation(
  place: TablePlace,
  session: ParquetSql,
  rows: QueryRows,
  options: CommitOptions,
): Operation {
  const write = createWriteOnce(place, session, options)
  return async (state, files) => {
    const { columns, partitionBy, header } = planAddedRows(place, state, rows.columns, options)
    const add = await write(files, { query: rows.query, columns, partitionBy })
    const parameters = { mode: 'Append', partitionBy: JSON.stringify(partitionBy) }
    return { operation: 'WRITE', parameters, blind: true, ...header, add, remove: [] }
  }
}

/** Rows in place of all. Also in place of those that others commit meanwhile: it comes after them. */
export function overwriteOperation(
  place: TablePlace,
  session: ParquetSql,
  rows: QueryRows,
  options: CommitOptions,
): Operation {
  const write = createWriteOnce(place, session, options)
  return async (state, files) => {
    const { columns, partitionBy, header } = planReplacedTable(place, state, rows.columns, options)
    const add = await write(files, { query: rows.query, columns, partitionBy })
    const parameters = { mode: 'Overwrite', partitionBy: JSON.stringify(partitionBy) }
    return { operation: 'WRITE', parameters, blind: false, ...header, add, remove: [...(state?.files.values() ?? [])] }
  }
}

type PartitionOptions = CommitOptions & { readonly partitions?: readonly DeltaPartition[] }

/** Rows in place of those of the same partitions. */
export function overwritePartitionsOperation(
  place: TablePlace,
  session: ParquetSql,
  rows: QueryRows,
  options: PartitionOptions,
): Operation {
  const write = createWriteOnce(place, session, options)
  return async (state, files) => {
    if (state !== undefined) writableShape(place, state, true)
    const { columns, partitionBy, header } = planAddedRows(place, state, rows.columns, options)
    const named = options.partitions ?? []
    checkPartitions(place, partitionBy, named)
    const add = await write(files, { query: rows.query, columns, partitionBy })
    const replaced = [...named, ...add.map((file) => file.partitionValues)]
    const remove = [...(state?.files.values() ?? [])].filter((file) =>
      replaced.some((partition) => isOf(file, partition)),
    )
    const parameters = {
      mode: 'Overwrite',
      partitionOverwriteMode: 'dynamic',
      partitionBy: JSON.stringify(partitionBy),
    }
    return { operation: 'WRITE', parameters, blind: false, ...header, add, remove }
  }
}

function isOf(file: AddFile, partition: DeltaPartition): boolean {
  return Object.entries(partition).every(([name, value]) => (file.partitionValues[name] ?? null) === value)
}

function checkPartitions(place: TablePlace, partitionBy: readonly string[], named: readonly DeltaPartition[]): void {
  if (partitionBy.length === 0) {
    throw new DeltaSchemaError(place.path, [
      'expected a table with partitions, got one without; overwrite it as a whole',
    ])
  }
  for (const partition of named) {
    const names = Object.keys(partition)
    const unknown = names.find((name) => !partitionBy.includes(name))
    if (unknown !== undefined || names.length === 0) {
      throw new DeltaSchemaError(place.path, [
        `partition to replace: expected values of (${partitionBy.join(', ')}), got ${unknown ?? 'none'}`,
      ])
    }
  }
}
