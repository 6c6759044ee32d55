import { literal } from '@cinelake/sql'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { CallOptions } from '@cinelake/lake'
import type { Action, LogState } from './actions.ts'
import { CHECKSUM_TAG, checksumOfFile } from './json.ts'
import type { TablePlace } from '../write/data-files.ts'
import type { ParquetSql } from '../delta-table.ts'
import { checkpointPath, lastCheckpointPath } from './paths.ts'

/** Commits from one checkpoint to the next. Source: PROTOCOL.md, delta.checkpointInterval's default */
const INTERVAL = 10

/** Milliseconds that a checkpoint remembers a removed file: delta.deletedFileRetentionDuration's default, 7 days. */
const TOMBSTONE_MS = 7 * 24 * 3_600_000

const TEXTS = 'MAP(VARCHAR, VARCHAR)'

/** The Parquet schema of a checkpoint as types of DuckDB. Source: PROTOCOL.md#checkpoint-schema */
const SCHEMA = {
  txn: { appId: 'VARCHAR', version: 'BIGINT', lastUpdated: 'BIGINT' },
  add: {
    path: 'VARCHAR',
    partitionValues: TEXTS,
    size: 'BIGINT',
    modificationTime: 'BIGINT',
    dataChange: 'BOOLEAN',
    stats: 'VARCHAR',
    tags: TEXTS,
  },
  remove: {
    path: 'VARCHAR',
    deletionTimestamp: 'BIGINT',
    dataChange: 'BOOLEAN',
    extendedFileMetadata: 'BOOLEAN',
    partitionValues: TEXTS,
    size: 'BIGINT',
  },
  metaData: {
    id: 'VARCHAR',
    name: 'VARCHAR',
    description: 'VARCHAR',
    format: { provider: 'VARCHAR', options: TEXTS },
    schemaString: 'VARCHAR',
    partitionColumns: ['VARCHAR'],
    configuration: TEXTS,
    createdTime: 'BIGINT',
  },
  protocol: { minReaderVersion: 'INTEGER', minWriterVersion: 'INTEGER' },
}

/** Writes the state of a log as one Parquet file, so that readers need not read the log from its beginning. */
export class CheckpointWriter {
  readonly #place: TablePlace
  readonly #session: ParquetSql

  constructor(place: TablePlace, session: ParquetSql) {
    this.#place = place
    this.#session = session
  }

  /**
   * Never fails: the commit is already durable, and a checkpoint only saves time. A missing one is written after the
   * next commit, since the interval is counted from the last existing checkpoint.
   */
  async writeIfDue(state: LogState, options: CallOptions): Promise<void> {
    if (state.version - Math.max(state.checkpointVersion, 0) < INTERVAL) return
    await this.#write(state, options).catch((error: unknown) => {
      const { path, log } = this.#place
      log.warn(
        { table: path, version: state.version, err: error },
        'checkpoint not written, the next commit tries again',
      )
    })
  }

  async #write(state: LogState, options: CallOptions): Promise<void> {
    const { lake, path, clock } = this.#place
    const actions = actionsOf(state, clock().getTime() - TOMBSTONE_MS)
    await using scratch = await lake.scratch()
    const [json, parquet] = [join(scratch.directory, 'actions.json'), join(scratch.directory, 'checkpoint.parquet')]
    const longest = await writeLines(json, actions)
    await this.#session.run(copyOf(json, parquet, longest), options)
    const checksum = await checksumOfFile(parquet)
    await lake.upload(parquet, checkpointPath(path, state.version), options)
    const pointer = { version: state.version, size: actions.length, tags: { [CHECKSUM_TAG]: checksum } }
    await lake.put(lastCheckpointPath(path), JSON.stringify(pointer), options)
  }
}

function actionsOf(state: LogState, removedAfter: number): Action[] {
  const { protocol, metaData } = state
  return [
    ...(protocol === undefined ? [] : [{ protocol }]),
    ...(metaData === undefined ? [] : [{ metaData }]),
    ...[...state.txns].map(([appId, version]) => ({ txn: { appId, version } })),
    ...[...state.removed.values()]
      .filter((remove) => remove.deletionTimestamp > removedAfter)
      .map((remove) => ({ remove: { ...remove, dataChange: false, extendedFileMetadata: true } })),
    ...[...state.files.values()].map((add) => ({ add: { ...add, dataChange: false } })),
  ]
}

/** @returns bytes of the longest line */
async function writeLines(file: string, actions: readonly Action[]): Promise<number> {
  let longest = 0
  function* lines() {
    for (const action of actions) {
      const line = `${JSON.stringify(action)}\n`
      longest = Math.max(longest, Buffer.byteLength(line))
      yield line
    }
  }
  await pipeline(Readable.from(lines()), createWriteStream(file))
  return longest
}

/** Reads lines as text and takes them apart: DuckDB's JSON reader would hold 32 MB for each thread. */
function copyOf(json: string, parquet: string, longestLineBytes: number): string {
  const sizeBytes = Math.max(longestLineBytes * 2, 1 << 20)
  const lines = `read_csv(${literal(json)}, columns = {line: 'VARCHAR'}, header = false, auto_detect = false, delim = '\x01', quote = '', escape = '', max_line_size = ${sizeBytes}, buffer_size = ${2 * sizeBytes})`
  const actions = `SELECT unnest(from_json(line, ${literal(JSON.stringify(SCHEMA))})) FROM ${lines}`
  return `COPY (${actions}) TO ${literal(parquet)} (FORMAT parquet, COMPRESSION snappy)`
}
