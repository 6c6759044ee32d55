import { concurrently } from '@cinelake/core'
import { type CallOptions, type Lake, LakeObjectMissingError } from '@cinelake/lake'
import { stat } from 'node:fs/promises'
import type { DeltaFile, DeltaSnapshot } from '../delta-table.ts'
import { DeltaCorruptError, DeltaFileDamagedError, DeltaUnsupportedError } from '../errors.ts'
import type { AddFile, LogState } from '../log/actions.ts'
import { CHECKSUM_TAG, checksumOfFile } from '../log/json.ts'
import { commitPath, decodePath } from '../log/paths.ts'
import type { TableShape } from '../log/protocol.ts'
import { statisticsOf } from '../log/statistics.ts'
import { engineTypeOf } from '../log/types.ts'
import { columnsDigest } from '../write/columns.ts'
import { COLUMNS_TAG, type TablePlace } from '../write/data-files.ts'
import { type ReadableFile, relationOf } from './relation.ts'

/** Data files as a relation that SQL can read, until it is disposed. */
export type OpenFiles = AsyncDisposable & {
  readonly relation: string
  /** By absolute local path, as the engine names a row's file. */
  readonly byLocalFile: ReadonlyMap<string, AddFile>
}

type Wanted = {
  readonly state: Pick<LogState, 'version'>
  readonly shape: Pick<TableShape, 'fields'> & { readonly metaData: Pick<TableShape['metaData'], 'partitionColumns'> }
  readonly files: readonly AddFile[]
  readonly fileColumn?: string
}

async function download({ lake, path: table }: TablePlace, paths: readonly string[], options: CallOptions) {
  try {
    return await lake.downloadAll(paths, options)
  } catch (error) {
    if (!(error instanceof LakeObjectMissingError)) throw error
    const path = String(error.context['path'])
    throw new DeltaFileDamagedError(
      table,
      path,
      'a file that the log names',
      'none (an old version may have lost it to a vacuum)',
      { cause: error },
    )
  }
}

/** Downloads files (or finds them in the cache) and builds the relation over them. */
export async function openFiles(place: TablePlace, wanted: Wanted, options: CallOptions): Promise<OpenFiles> {
  const { state, shape, files, fileColumn } = wanted
  const paths = files.map((add) => `${place.path}/${relativePath(place.path, add, state.version)}`)
  await using opened = new AsyncDisposableStack()
  const local = opened.use(await download(place, paths, options))
  await checkFiles(
    place,
    files.map((add, index) => ({ add, path: paths[index] ?? '', local: local.files[index] ?? '' })),
  )
  const digest = columnsDigest(shape.fields)
  const byLocalFile = new Map<string, AddFile>()
  const readable = files.map((add, index): ReadableFile => {
    const file = local.files[index] ?? ''
    byLocalFile.set(file, add)
    return { local: file, partitionValues: add.partitionValues, uniform: add.tags?.[COLUMNS_TAG] === digest }
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

const CHECKS_AT_ONCE = 4

/** Number of verified files that are remembered. Some hundred bytes each. */
const REMEMBERED = 20_000

/** Verified files, by lake: data files never change, so one verification is enough. */
const checked = new WeakMap<Lake, Set<string>>()

type OpenFile = { readonly add: AddFile; /** In the lake. */ readonly path: string; readonly local: string }

/**
 * Verifies data files against the log's checksums. An engine detects only some damage, without naming
 * the table, and no changed values.
 * @throws {DeltaFileDamagedError} terminal
 */
async function checkFiles({ lake, path: table }: TablePlace, files: readonly OpenFile[]): Promise<void> {
  const known = checked.get(lake) ?? new Set<string>()
  checked.set(lake, known)
  await concurrently(files, CHECKS_AT_ONCE, async ({ add, path, local }) => {
    const { size, mtimeMs } = await stat(local)
    if (size !== add.size) throw new DeltaFileDamagedError(table, path, `${add.size} bytes`, `${size}`)
    const written = add.tags?.[CHECKSUM_TAG]
    const key = `${path} ${local} ${mtimeMs}`
    if (typeof written !== 'string' || known.has(key)) return
    const found = await checksumOfFile(local)
    if (found !== written) throw new DeltaFileDamagedError(table, path, `the checksum ${written}`, found)
    if (known.size >= REMEMBERED) known.clear()
    known.add(key)
  })
}

/** A version of a table as its users see it. @throws {DeltaUnsupportedError} a file that cannot be read here */
export function snapshotOf(table: string, state: LogState, shape: TableShape): DeltaSnapshot {
  const files = [...state.files.values()].map((add) => fileOf(table, add, state.version))
  return {
    version: state.version,
    id: shape.metaData.id,
    columns: shape.fields.map(({ name, type, nullable }) => ({ name, type: engineTypeOf(type) ?? '', nullable })),
    partitionBy: shape.metaData.partitionColumns,
    files,
    rowCount: files.reduce((sum, file) => sum + file.rowCount, 0),
    txns: state.txns,
    configuration: shape.metaData.configuration,
  }
}

export function fileOf(table: string, add: AddFile, version: number): DeltaFile {
  const path = relativePath(table, add, version)
  const { rowCount, min, max } = statisticsOf(add)
  if (rowCount === undefined)
    throw new DeltaUnsupportedError(table, 'files with numRecords in their statistics', `${path} without`)
  return { path, partitionValues: add.partitionValues, sizeBytes: add.size, rowCount, min, max }
}

/** Where a file is, relative to the table. */
function relativePath(table: string, add: AddFile, version: number): string {
  if (add.hasDeletionVector === true)
    throw new DeltaUnsupportedError(table, 'no deletion vectors', `one on ${add.path}`)
  const path = decodePath(add.path)
  if (path === undefined) {
    if (/^[A-Za-z][A-Za-z0-9+.-]*:|^\//.test(add.path)) {
      throw new DeltaUnsupportedError(table, 'files inside the table (no shallow clone)', `a path outside, ${add.path}`)
    }
    throw new DeltaCorruptError(commitPath(table, version), 'URI-encoded paths', add.path)
  }
  return path
}
