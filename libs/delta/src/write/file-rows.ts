import type { CallOptions } from '@cinelake/lake'
import type { AddFile } from '../log/actions.ts'
import { sameFields } from './columns.ts'
import type { DataFiles, Layout } from './data-files.ts'
import type { DeltaField } from '../log/types.ts'

/** A file by its content, local or in the lake. */
export type RowsFile = { readonly partitionValues: AddFile['partitionValues']; readonly count: number }

/** Tells the files that are meant from the others. */
export type IsWanted = (file: Pick<AddFile, 'partitionValues'>) => boolean

/** Rows that are in data files before a commit: on this machine, or in the table's folder. */
export interface FileRows {
  readonly fields: readonly DeltaField[]
  readonly partitionBy: readonly string[]
  readonly rowCount: number
  readonly parts: readonly RowsFile[]
  /** Whether a commit has taken the files: then they are in the lake. */
  readonly isTaken: boolean
  /** The rows as something that SQL of any session can read until it is disposed. */
  open(options: CallOptions, isWanted?: IsWanted): Promise<AsyncDisposable & { readonly relation: string }>
  /**
   * The files, in the lake, if they are what the table wants; undefined if their rows have to be written again.
   * @throws {DELTA_CONFLICT} they were taken for another state of the table
   */
  take(into: DataFiles, layout: Layout, isWanted: IsWanted, options: CallOptions): Promise<AddFile[] | undefined>
}

/**
 * Bytes. A file beyond this would make every merge into it rewrite too much: its rows are split when they are
 * published.
 */
const MAX_FILE_BYTES = 512 * 1024 * 1024

/** Whether files can be taken as they are. */
export function fits(
  { fields, partitionBy }: Pick<FileRows, 'fields' | 'partitionBy'>,
  sizes: readonly number[],
  wanted: Layout,
): boolean {
  if (!sameFields(fields, wanted.columns.fields)) return false
  if (partitionBy.join('\n') !== wanted.partitionBy.join('\n')) return false
  return partitionBy.length > 0 || sizes.every((sizeBytes) => sizeBytes <= MAX_FILE_BYTES)
}
