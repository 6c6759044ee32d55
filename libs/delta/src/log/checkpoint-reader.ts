import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'
import { PipelineError } from '@cinelake/core'
import type { CallOptions, Lake } from '@cinelake/lake'
import { parquetMetadata, parquetReadObjects, type Compressors } from 'hyparquet'
import { parseAction, type Action } from './actions.ts'
import { checksumOf } from './checksum.ts'
import { DeltaCorruptError } from '../errors.ts'

/** The columns of a checkpoint that carry what `Action` has. */
const COLUMNS = ['txn', 'add', 'remove', 'metaData', 'protocol']

/** Snappy is built in; the others come with Node. */
const COMPRESSORS: Compressors = {
  GZIP: (input) => gunzipSync(input),
  BROTLI: (input) => brotliDecompressSync(input),
  ZSTD: (input) => zstdDecompressSync(input),
}

/**
 * Reads one Parquet file of a checkpoint, of this or any other writer. Needs no engine: a snapshot is asked for where
 * there is no session.
 * @param checksum of the file's bytes, where it is known
 * @throws {DeltaCorruptError} the file is damaged
 */
export async function readCheckpointFile(
  lake: Lake,
  path: string,
  checksum: string | undefined,
  options: CallOptions,
): Promise<Action[]> {
  const blocks: Uint8Array[] = []
  for await (const block of lake.read(path, options)) blocks.push(block)
  const bytes = new Uint8Array(Buffer.concat(blocks))
  const found = checksum === undefined ? undefined : checksumOf(bytes)
  if (found !== checksum) throw new DeltaCorruptError(path, `a file with the checksum ${checksum}`, `${found}`)
  try {
    const file = bytes.buffer
    const metadata = parquetMetadata(file)
    const present = new Set(metadata.schema.map((element) => element.name))
    const columns = COLUMNS.filter((column) => present.has(column))
    const rows = await parquetReadObjects({ file, metadata, columns, compressors: COMPRESSORS })
    return rows.map((row, index) => parseAction(row, `${path}:${index + 1}`))
  } catch (error) {
    if (error instanceof PipelineError) throw error
    throw new DeltaCorruptError(path, 'a Parquet file of actions', 'a file that does not parse', { cause: error })
  }
}
