import type { Window } from '@cinelake/core'
import type { SqlEngine, SqlSession } from '@cinelake/engine'
import type { Lake } from '@cinelake/lake'
import type { RowPlace } from '../read-csv/batch.ts'
import type { GuessedEncoding } from '../read-csv/text-encoding.ts'
import type { UnpackLimits } from '../read-csv/unpack-settings.ts'

export type StageDeps = {
  readonly lake: Pick<Lake, 'download' | 'downloadAll'>
  readonly window: Window
  readonly engine: SqlEngine
  readonly session: SqlSession
  /** Scratch for typed rows, from which copying them into the lake is cheap. */
  readonly directory: string
  /** Scratch for unpacked files and copies of text. */
  readonly textDirectory: string
  readonly limits: UnpackLimits
  readonly signal: AbortSignal
  readonly progress: (done: { rowCount?: number; sizeBytes?: number }) => void
}

/** Landed files as typed rows: one, or several small ones with the same columns. */
export type StagedFile = {
  /** As received. */
  readonly names: readonly string[]
  /** Parquet, local. */
  readonly path: string
  readonly rowCount: number
  readonly rejectedCount: number
  /** Rows that break only rules of severity `warn`, and are kept. */
  readonly warnedCount: number
  /** For a landing of changes: the keys of deleted rows, which are not among the rows. */
  readonly deleted?: { readonly path: string; readonly rowCount: number }
  /** Names in the header that are not columns of the contract. */
  readonly unknown: readonly string[]
  /** Columns of the contract that the file does not have. */
  readonly missing: readonly string[]
  /** Its records name their own fields, and may leave out those without a value. */
  readonly ofRecords?: true
  /** The files whose encoding was guessed, by name. */
  readonly guessed?: ReadonlyMap<string, GuessedEncoding>
  /** Records at the end of the file that are its footer. */
  readonly footerCount?: number
  /** @param ordinal of a row, from 0 */
  readonly placeOf: (ordinal: number) => RowPlace
}
