import type { TaskContext } from '@cinelake/bus'
import type { Ingest, TableName } from '@cinelake/contracts'
import type { SqlEngine } from '@cinelake/engine'
import { windowFolder, type Lake, type Landed } from '@cinelake/lake'
import type { DatabaseSource } from '@cinelake/pipeline'
import type { Fill } from '@cinelake/secrets'
import { landRows } from './land-rows.ts'
import type { CursorRange } from './source-database.ts'
import { withDatabase } from './with-database.ts'

type Deps = { readonly lake: Lake; readonly engine: SqlEngine; readonly fill: Fill }
type Place = {
  readonly source: DatabaseSource
  readonly table: TableName
  /** The column that tells new rows; without it the whole table is copied. */
  readonly incremental: { readonly column: string } | undefined
  readonly timeZone: string
}

/** Copies a table, or what is new in it, into raw as typed Parquet. */
export function createIngestTable({ lake, engine, fill }: Deps) {
  return async (command: Ingest, place: Place, { signal, progress }: TaskContext): Promise<Landed> => {
    const range = rangeOf(command, place)
    return await withDatabase(place.source, { fill, signal }, async (database) => {
      const table = await database.describe(place.table)
      const parts = await landRows({ lake, engine }, database.read(table, range), {
        table,
        place: database.place,
        folder: `raw/database/${command.source}/${folderName(place.table)}/${windowFolder(command)}`,
        signal,
        progress,
      })
      const rowCount = parts.reduce((sum, part) => sum + (part.rowCount ?? 0), 0)
      return {
        format: 'parquet',
        // A whole table that is empty is news; no new rows are none.
        files: range !== undefined && rowCount === 0 ? [] : parts,
        rowCount,
        columns: table.columns.map(({ name, type }) => ({ name, type })),
        primaryKey: [...table.primaryKey],
        ...(range && { cursor: { column: range.column, since: range.since, until: range.until } }),
      }
    })
  }
}

function rangeOf({ since, window }: Ingest, { incremental, timeZone }: Place): CursorRange | undefined {
  if (incremental === undefined) return undefined
  return { column: incremental.column, since, until: window.end, timeZone }
}

/** A table's name as one name in the lake. Two names never become the same. */
function folderName({ schema, name }: TableName): string {
  return `${schema}.${name}`.replaceAll(/[%/\\\p{Cc}]/gu, (char) => encodeURIComponent(char))
}
