import type { SqlSession } from '@cinelake/engine'
import type { CheckedColumn, FileReading } from '@cinelake/pipeline'
import { constants, copyFile } from 'node:fs/promises'
import type { UnpackLimits } from '../read-csv/unpack-settings.ts'
import type { ColumnSql } from '../read-value/column.ts'

/** The table of the session that has the rows of a sample. */
export const TRIED = 'tried'

/** The expression of a column of the sample, by its place from 0. */
export const triedColumn = (index: number) => `c${index}`

export type SampledColumn = {
  /** As the file calls it; a path with dots for a field of an object within a record. */
  readonly name: string
  /** CSV: the number of its field, where its name does not tell it from others. */
  readonly position?: number
  /** The engine's type, where the file has types. */
  readonly type?: string
  /** What the file calls that, where it says more. */
  readonly sourceType?: string
}

/** The first rows of a file, in the table `TRIED`, and how they are read. */
export type FileSample = {
  /** What was found out, for people. */
  readonly facts: readonly (readonly [what: string, found: string])[]
  readonly columns: readonly SampledColumn[]
  /** What `read` of the dataset has to say, beyond what it says. */
  readonly read: Partial<FileReading>
  /** Columns of a contract come in the order of the file, and each of its fields needs one. */
  readonly isInOrder: boolean
  /** CSV: the delimiter that was found; absent for a file with one column. */
  readonly delimiter?: string
  readonly rowCount: number
  /** Records that are no rows: their shape or bytes are wrong. */
  readonly unreadCount: number
  /** Whether these are all rows of the file. */
  readonly isAll: boolean
  /** How a refine reads a column of the sample. */
  readonly readColumn: (column: Pick<CheckedColumn, 'type' | 'reading'>, index: number) => ColumnSql
}

export type SampleContext = {
  readonly session: SqlSession
  /** Rows at most. */
  readonly limit: number
  /** Scratch that the session may read. */
  readonly directory: string
  readonly limits: UnpackLimits
  readonly signal: AbortSignal
}

/**
 * The file where the session may read it, under a name without characters that the engine takes for a pattern. It is copied:
 * a link would change when the file seems to have arrived, or lead out of where the engine may read.
 */
export async function broughtTo(place: string, file: string): Promise<string> {
  await copyFile(file, place, constants.COPYFILE_FICLONE)
  return place
}
