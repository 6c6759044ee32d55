/**
 * The SQL engine as the Delta writer needs it: `@cinelake/engine`'s session over DuckDB, in the UTC time zone. Values
 * may be numbers, text, null, and maps as arrays of `{ key, value }`.
 */
export interface ParquetSql {
  run(sql: string, options?: { readonly signal?: AbortSignal }): Promise<void>
  rows<Row>(sql: string, options?: { readonly signal?: AbortSignal }): Promise<Row[]>
  describe(query: string): Promise<{ readonly name: string; readonly type: string }[]>
}

export type DeltaColumn = {
  readonly name: string
  /** The engine's (DuckDB's) name of the type. */
  readonly type: string
  readonly nullable: boolean
}

/** The latest commit of an application (a task) to a table. */
export type DeltaTxn = { readonly appId: string; readonly version: number }

export type DeltaFile = {
  /** Relative to the table, decoded. */
  readonly path: string
  readonly partitionValues: Readonly<Record<string, string | null>>
  readonly sizeBytes: number
  readonly rowCount: number
  readonly min: Readonly<Record<string, string | number | boolean>>
  readonly max: Readonly<Record<string, string | number | boolean>>
}

/** One version of a table, as its log describes it. */
export type DeltaSnapshot = {
  readonly version: number
  /** The table's identity, `metaData.id`: versions are only comparable under one. */
  readonly id: string
  readonly columns: readonly DeltaColumn[]
  readonly partitionBy: readonly string[]
  readonly files: readonly DeltaFile[]
  readonly rowCount: number
  readonly txns: ReadonlyMap<string, number>
  /** Table properties: `metaData.configuration`. */
  readonly configuration: Readonly<Record<string, string>>
}

export type CommitOptions = {
  /** Makes the commit idempotent: a table that has this version of this application is left unchanged. */
  readonly txn: DeltaTxn
  readonly partitionBy?: readonly string[]
  /** Table properties to set with the commit: kept in `metaData.configuration`. */
  readonly configuration?: Readonly<Record<string, string>>
  /**
   * The version on which the caller decided to commit, -1 where there was no table. A later commit by another writer is
   * a `DELTA_CONFLICT`, so that the decision is taken again. Default: the latest version.
   */
  readonly basedOn?: number
  /** The id that the table had then; another table in its place is a `DELTA_CONFLICT` as well. */
  readonly basedOnId?: string | undefined
  /**
   * Creates the table again with a new id, discarding the existing state, which may be damaged. Idempotent: when
   * redelivered, the commit finds itself in the log.
   */
  readonly restart?: { /** Of the life before, where the caller knows it. */ readonly formerId?: string | undefined }
  /** How existing columns that differ from those of the written rows evolve. Not for an overwrite. */
  readonly evolve?: Evolution
  readonly signal?: AbortSignal
}

/**
 * How a table takes on the columns of the rows that are written to it. What this changes about rows that are there is
 * done by writing them again, in the same commit: any reader of Delta tables can read the result, and older versions
 * keep their columns. A type that holds all values of the table's one needs no word here.
 */
export type Evolution = {
  /** By a column's name, the names that it had before. Their values become the column's, the first that has one. */
  readonly renamed?: Readonly<Record<string, readonly string[]>>
  /** Columns that go, with their values. */
  readonly dropped?: readonly string[]
  /**
   * Columns that take on the type of the rows though it does not hold every value. A value that does not fit fails the
   * write.
   */
  readonly retyped?: readonly string[]
  /** Whether the table may take on the partition columns of the write. */
  readonly partitions?: boolean
}

export type OverwriteOptions = CommitOptions & {
  /**
   * Skips a table or partition that already holds exactly these rows, in any order. When that is all,
   * nothing is committed, properties included, and the outcome is `unchanged`. Only of staged rows.
   */
  readonly unlessSame?: boolean
}

/** The part of a table to replace: a value (as the log writes it) for some or all partition columns. */
export type DeltaPartition = Readonly<Record<string, string | null>>

export type MergeOptions = CommitOptions & {
  readonly key: readonly string[]
  /**
   * A SELECT with the columns `key`: rows of the table that have one of these keys go, in the same commit. Where the
   * rows that are merged have the key as well, theirs comes as if none had been there.
   */
  readonly deletions?: string
  /** For keys that are there already. */
  readonly resolve?: {
    /** SQL over `old` and `new`: whether the new row counts at all. Default: always. */
    readonly when?: string
    /** By column: SQL over `old` and `new`. Default: the new row's value. */
    readonly columns?: Readonly<Record<string, string>>
  }
}

export type CommitResult = {
  readonly version: number
  /** The table's id. */
  readonly id: string
  readonly outcome: 'committed' | 'already-committed' | 'unchanged'
  /** Rows in the files added by the commit. */
  readonly addedRowCount: number
  /** Rows in the files removed by the commit. */
  readonly removedRowCount: number
}

export type StageOptions = {
  readonly partitionBy?: readonly string[]
  /** Rows that are not for the table. */
  readonly aside?: {
    /** SQL condition over the query's columns. */
    readonly when: string
    /** Columns of the query that only these rows are for; no columns of the table. */
    readonly columns: readonly string[]
  }
  readonly signal?: AbortSignal
}

/** Rows that were computed once, and can be inspected before a commit publishes them. Deleted when disposed. */
export interface DeltaStage extends StagedFiles, AsyncDisposable {
  /** The rows for the table, as something that SQL of the session can read until they are committed. */
  readonly relation: string
  /** The rejected rows, with all columns of the query. */
  readonly aside: string
  readonly asideRowCount: number
  /** Partitions of rejected rows that no row for the table belongs to. */
  readonly emptiedPartitions: readonly DeltaPartition[]
}

/** A data file that is in the table's folder already, and that no commit names yet. */
export type WrittenFile = {
  /** Relative to the table. */
  readonly path: string
  /** As the log writes them; the file itself need not have these columns. */
  readonly partitionValues: Readonly<Record<string, string | null>>
  readonly sizeBytes: number
  readonly rowCount: number
  /** By column, as the log's statistics write them. Merges and readers skip files by them; they may be left out. */
  readonly min?: Readonly<Record<string, string | number | boolean>>
  readonly max?: Readonly<Record<string, string | number | boolean>>
  readonly nullCount?: Readonly<Record<string, number>>
}

/** Rows for a table that were computed and are not published yet, by this engine or by another one. */
export interface StagedFiles {
  /** Types as the engine (DuckDB) names them, and as the files have them. */
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  readonly partitionBy: readonly string[]
  readonly rowCount: number
  /** The data files, in the table's folder; those that are not there yet are put there now. */
  files(options?: { readonly signal?: AbortSignal }): Promise<readonly WrittenFile[]>
}

/**
 * A SELECT that the session can run, or rows that were staged for this table: a commit takes their files or deletes
 * them.
 */
export type DeltaRows = string | StagedFiles

/** A version of a table as a relation that SQL of the session can read. Files stay in place until it is disposed. */
export interface DeltaView extends AsyncDisposable {
  /** Goes where a table name goes in SQL, with the table's columns in order: `(SELECT … FROM read_parquet([…]))`. */
  readonly relation: string
  readonly snapshot: DeltaSnapshot
}

export type DeltaCommitInfo = {
  readonly version: number
  readonly at: Date
  readonly operation: string
  readonly addedFileCount: number
  readonly removedFileCount: number
  readonly addedRowCount: number
  readonly txn?: DeltaTxn
}

/**
 * A Delta Lake table (reader 1, writer 2) in a folder of the lake. Writers may run at once: each commit is a
 * put-if-absent of the next log entry, and the slower writer reads the new entries, checks for a conflict and retries.
 *
 * `query` is any SELECT that the session can run; it may read the session's temporary tables.
 *
 * Columns are matched by name. An append, a merge or a replaced partition may bring new columns (null in older rows);
 * it may not lack a column, and a type has to fit into the table's without loss, or the table's into it: then the rows
 * that are there are written again with the wider type, in the same commit. `CommitOptions.evolve` says more. Names and
 * types are those of the Delta protocol: see the README for what other types become.
 *
 * @throws {DELTA_CONFLICT} transient: another writer changed what this commit was based on, or too many write at once
 * @throws {DeltaSchemaError} terminal: the query's columns are not the table's, or have no form in a Delta table
 * @throws {DELTA_PARTITION_INVALID} terminal: a partition column holds empty text, which a Delta table cannot tell from
 * null
 * @throws {DeltaUnsupportedError} terminal: the table needs features of the protocol that are not supported
 * @throws {DeltaCorruptError} terminal: the log has a gap, does not parse or is gone; names file and line
 * @throws {DeltaFileDamagedError} terminal: a data file is gone, or not as it was written
 */
export interface DeltaTable {
  readonly path: string
  /**
   * @param options.id the identity that the version is meant of
   * @returns undefined where there is no table, and no version of it is asked for
   * @throws {DeltaVersionMissingError} terminal
   * @throws {TableReplacedError} terminal: the version is one of another table
   */
  snapshot(options?: {
    readonly version?: number
    readonly id?: string | undefined
    readonly signal?: AbortSignal
  }): Promise<DeltaSnapshot | undefined>
  /**
   * As `snapshot`.
   * @param options.keep skips irrelevant files, by partition values and statistics
   * @param options.matching skips files that, by the same, hold none of the keys of a relation with the columns `key`
   */
  view(
    session: ParquetSql,
    options?: {
      readonly version?: number
      readonly id?: string | undefined
      readonly matching?: { readonly relation: string; readonly key: readonly string[] }
      readonly keep?: (file: DeltaFile) => boolean
      readonly signal?: AbortSignal
    },
  ): Promise<DeltaView | undefined>
  /**
   * Announces the first data files of a table that is not there yet, where another engine writes them: without a log
   * beside them they would be taken for those of a log that is gone.
   */
  begin(options?: { readonly signal?: AbortSignal }): Promise<void>
  append(session: ParquetSql, query: string, options: CommitOptions): Promise<CommitResult>
  /**
   * Runs a query once, into files in the layout of the table, so that its rows can be checked before they are published
   * and are then not written again. A column of rejected rows only stays in the files, where no reader reads it.
   */
  stage(session: ParquetSql, query: string, options?: StageOptions): Promise<DeltaStage>
  /**
   * Rows that were staged for this table, as something that SQL can read until it is disposed: then they are gone,
   * unless a commit took them.
   */
  read(
    rows: StagedFiles,
    options?: { readonly signal?: AbortSignal },
  ): Promise<AsyncDisposable & { readonly relation: string }>
  /** The rows become the table; columns may change. */
  overwrite(session: ParquetSql, rows: DeltaRows, options: OverwriteOptions): Promise<CommitResult>
  /**
   * The rows replace the partitions that they belong to; other partitions stay.
   * @param options.partitions to replace as well, though there may be no rows of them
   */
  overwritePartitions(
    session: ParquetSql,
    rows: DeltaRows,
    options: OverwriteOptions & { readonly partitions?: readonly DeltaPartition[] },
  ): Promise<CommitResult>
  /**
   * The rows replace those with the same key, or are added. Only files that hold one of the keys are rewritten. Keys
   * may hold nulls, which equal each other.
   * @throws {DELTA_MERGE_AMBIGUOUS} terminal: there is more than one row of a key
   */
  merge(session: ParquetSql, rows: DeltaRows, options: MergeOptions): Promise<CommitResult>
  /**
   * Files added and removed between two versions; undefined when the log no longer reaches back that far. @throws
   * {DeltaVersionMissingError} terminal: `to` is not there yet
   */
  changedFiles(
    from: number,
    to: number,
  ): Promise<{ readonly added: readonly DeltaFile[]; readonly removed: readonly DeltaFile[] } | undefined>
  /** Newest first, as far as the log reaches back. */
  history(options?: { readonly limit?: number }): Promise<DeltaCommitInfo[]>
  /**
   * Deletes files that no version younger than the retention needs, and those that no commit ever named. Returns their
   * paths.
   */
  vacuum(options: {
    readonly retentionMs: number
    readonly dryRun?: boolean
    readonly signal?: AbortSignal
  }): Promise<string[]>
}
