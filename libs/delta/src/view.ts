import type { CallOptions, LocalFile } from '@cinelake/lake'
import type { AddFile } from './actions.ts'
import { columnsDigest } from './columns.ts'
import { concurrently } from './concurrently.ts'
import { COLUMNS_TAG, type TablePlace } from './data-files.ts'
import { READS_AT_ONCE } from './log-reader.ts'
import type { LogState } from './log-state.ts'
import type { TableShape } from './protocol.ts'
import { relationOf, type ReadableFile } from './relation.ts'
import { relativePath } from './snapshot.ts'

/** Data files as something that SQL can read, until it is disposed. */
export type OpenFiles = AsyncDisposable & {
  readonly relation: string
  /** By absolute local path, as the engine names a row's file. */
  readonly byLocalFile: ReadonlyMap<string, AddFile>
}

type Wanted = {
  readonly state: LogState
  readonly shape: TableShape
  readonly files: readonly AddFile[]
  readonly fileColumn?: string
}

/** Brings files to this machine (or finds them there) and words the relation over them. */
export async function openFiles(place: TablePlace, wanted: Wanted, options: CallOptions): Promise<OpenFiles> {
  const { state, shape, files, fileColumn } = wanted
  await using opened = new AsyncDisposableStack()
  const digest = columnsDigest(shape.fields)
  const byLocalFile = new Map<string, AddFile>()
  const readable = await concurrently(files, READS_AT_ONCE, async (add): Promise<ReadableFile> => {
    const path = `${place.path}/${relativePath(place.path, add, state.version)}`
    const local: LocalFile = opened.use(await place.lake.download(path, options))
    byLocalFile.set(local.file, add)
    return { local: local.file, partitionValues: add.partitionValues, uniform: add.tags?.[COLUMNS_TAG] === digest }
  })
  const { partitionColumns: partitionBy } = shape.metaData
  const relation = relationOf(readable, {
    fields: shape.fields,
    partitionBy,
    ...(fileColumn !== undefined && { fileColumn }),
  })
  const held = opened.move()
  return { relation, byLocalFile, [Symbol.asyncDispose]: async () => await held.disposeAsync() }
}
