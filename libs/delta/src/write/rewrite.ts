import { identifier, identifiers, literal } from '@cinelake/sql'
import type { AddFile, LogState } from '../log/actions.ts'
import { signalOf } from './commit.ts'
import type { DataFiles, TablePlace } from './data-files.ts'
import type { CommitOptions, DeltaPartition, ParquetSql } from '../delta-table.ts'
import { openFiles, type OpenFiles } from '../read/view.ts'
import type { Reshape, TablePlan } from './plan.ts'
import { createWriter } from './writes.ts'

/** The rows of some files with the columns of after the write. */
export async function openReshaped(
  place: TablePlace,
  state: LogState,
  { before, select }: Reshape,
  wanted: { readonly files: readonly AddFile[]; readonly fileColumn?: string },
  options: CommitOptions,
): Promise<OpenFiles> {
  const opened = await openFiles(place, { state, shape: before, ...wanted }, signalOf(options))
  const file = wanted.fileColumn === undefined ? '' : `, ${identifier(wanted.fileColumn)}`
  return {
    relation: `(SELECT ${select}${file} FROM ${opened.relation})`,
    byLocalFile: opened.byLocalFile,
    [Symbol.asyncDispose]: async () => await opened[Symbol.asyncDispose](),
  }
}

type Rewriter = (
  state: LogState,
  plan: TablePlan & { readonly reshape: Reshape },
  wanted: { readonly files: readonly AddFile[]; readonly except?: readonly DeltaPartition[] },
  into: DataFiles,
) => Promise<readonly AddFile[]>

/**
 * Writes rows that are there again, with the columns of a write. It is done once for a set of files: a second try after a
 * conflict finds what it needs if the same files are still those of the table. Rows pass through the engine as a stream.
 */
export function createRewriter(place: TablePlace, session: ParquetSql, options: CommitOptions): Rewriter {
  const write = createWriter(place, session, options)
  let done: { readonly basis: string; readonly add: readonly AddFile[] } | undefined
  return async (state, { columns, partitionBy, reshape }, { files, except = [] }, into) => {
    const basis = JSON.stringify([reshape.select, partitionBy, files.map(({ path }) => path).sort(), except])
    if (done?.basis === basis) return done.add
    await using old = await openReshaped(place, state, reshape, { files }, options)
    const query = `SELECT * FROM ${old.relation} AS old${outside(except)}`
    const select = identifiers(columns.fields.map(({ name }) => name))
    const add = files.length === 0 ? [] : await write(into, { query, columns: { ...columns, select }, partitionBy })
    done = { basis, add }
    return add
  }
}

/** Which rows are in none of some partitions. Partitions that name the same columns are looked up in one list. */
function outside(partitions: readonly DeltaPartition[]): string {
  const groups = Map.groupBy(partitions, (partition) => JSON.stringify(Object.keys(partition).sort()))
  const conditions = [...groups.values()].map((group) => {
    const names = Object.keys(group[0] ?? {}).sort()
    const rows = group.map((partition) => `(${names.map((name) => textOrNull(partition[name] ?? null)).join(', ')})`)
    const aliases = names.map((_, index) => `p${index}`)
    const same = names.map((name, index) => `CAST(old.${identifier(name)} AS VARCHAR) IS NOT DISTINCT FROM p${index}`)
    return `NOT EXISTS (SELECT 1 FROM (VALUES ${rows.join(', ')}) AS replaced(${aliases.join(', ')}) WHERE ${same.join(' AND ')})`
  })
  return conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`
}

function textOrNull(value: string | null): string {
  return value === null ? 'CAST(NULL AS VARCHAR)' : literal(value)
}
