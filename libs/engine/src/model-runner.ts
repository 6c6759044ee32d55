import type { QualityResult } from '@cinelake/contracts'
import type { Balance } from '@cinelake/core'

/** A column by name and type, as the pipeline's text names types: `DECIMAL(10,2)`, `VARCHAR[]`. */
export type ModelColumn = { readonly name: string; readonly type: string }

/** A table of the lake in the version that is to be read. */
export type PinnedTable = {
  /** As the model's SQL names it. */
  readonly name: string
  /** Lake path of the Delta table. */
  readonly path: string
  readonly version: number
  /** The table's id, where it is known: the version is one of that table alone. */
  readonly id?: string
}

/** Where files of a result go: the folder of a Delta table, and the columns by which it is divided into folders. */
export type StagingTable = {
  /** Lake path of the table. It may be that no log is there yet. */
  readonly path: string
  readonly partitionBy: readonly string[]
}

type Severity = QualityResult['severity']

/**
 * A model as a runner needs it. Its SQL is the pipeline's, with the window put in for `:window_start` and
 * `:window_end`.
 */
export type RunnableModel = {
  readonly name: string
  /** One SELECT over the inputs. A column `_reject`, when there is one, names the rule for which a row is rejected. */
  readonly sql: string
  /** A query over the inputs whose one number is how many rows the SELECT has to account for. */
  readonly rowsIn?: string | undefined
  /** Columns of the result, in order, with the types that it is cast to. */
  readonly columns: readonly ModelColumn[]
  /** Columns that no two rows of the result may share; empty where there are none. */
  readonly key: readonly string[]
  /** Whether examples of keys may be put into texts: they are no personal data. */
  readonly keyMayBeShown?: boolean | undefined
  /** Conditions that each row has to meet. A row that breaks one of severity `error` is rejected. */
  readonly rowRules: readonly { readonly name: string; readonly severity: Severity; readonly expression: string }[]
  /** Queries about the rows as a whole, which stand at `{table}`, and what their number has to be. */
  readonly tableRules: readonly {
    readonly name: string
    readonly severity: 'warn' | 'fail'
    readonly query: string
    readonly expect: {
      readonly operator: '=' | '<>' | '<' | '<=' | '>' | '>=' | 'between' | 'not between'
      readonly values: readonly number[]
    }
  }[]
}

export type ModelRun = {
  readonly model: RunnableModel
  readonly inputs: readonly PinnedTable[]
  /** Of all files, those of rejected rows included: these are read and deleted, and are in no partition. */
  readonly table: StagingTable
}

/** A data file in the folder of its table, which no commit names yet. */
export type StagedFile = {
  /** Relative to the table. */
  readonly path: string
  readonly partitionValues: Readonly<Record<string, string | null>>
  readonly sizeBytes: number
  readonly rowCount: number
  /** By column, as the statistics of a Delta log write them; may be left out. */
  readonly min?: Readonly<Record<string, string | number | boolean>>
  readonly max?: Readonly<Record<string, string | number | boolean>>
  readonly nullCount?: Readonly<Record<string, number>>
}

/**
 * Rows as Parquet files in the folder of their table. A commit takes the files as they are, or reads and deletes them.
 */
export interface StagedTable {
  readonly columns: readonly ModelColumn[]
  readonly partitionBy: readonly string[]
  readonly rowCount: number
  /** The files; a runner that has kept them elsewhere puts them into the lake now. */
  files(options?: { readonly signal?: AbortSignal }): Promise<readonly StagedFile[]>
}

/** The result of a model, before it is published. */
export interface ModelResult extends AsyncDisposable {
  /** The good rows. */
  readonly rows: StagedTable
  /**
   * The rejected rows, those that break a rule of severity `warn`, and where one of severity `fail` is broken those
   * that break it: columns `REJECT_COLUMNS`. Undefined where there are none.
   */
  readonly rejects: StagedTable | undefined
  /** Rejected rows by the first rule that they break. */
  readonly rejectCounts: Readonly<Record<string, number>>
  readonly balance: Balance
  /** The result of each rule. One of severity `fail` with failed rows prevents the commit. */
  readonly quality: readonly QualityResult[]
  /** Partitions of the table that had rows, all of which are rejected; values as the log writes them. */
  readonly emptiedPartitions: readonly Readonly<Record<string, string | null>>[]
}

/** The columns of rejected rows. */
export const REJECT_COLUMNS: readonly ModelColumn[] = [
  /** The first rule that the row breaks. */
  { name: 'rule', type: 'VARCHAR' },
  { name: 'rules', type: 'VARCHAR[]' },
  /** The model. */
  { name: 'file', type: 'VARCHAR' },
  /** Always null for a model. */
  { name: 'line', type: 'BIGINT' },
  { name: 'found', type: 'VARCHAR[]' },
  /** Whether the row is in the table all the same. */
  { name: 'kept', type: 'BOOLEAN' },
  /** The row as JSON. */
  { name: 'raw', type: 'VARCHAR' },
]

/**
 * Runs one model over pinned inputs and stages the result in the lake. A runner may be a process of its own on another
 * machine: its input are lake paths and versions, its output files in the lake with their counts. It does not commit,
 * and does not apply the model's materialization to existing rows.
 */
export interface ModelRunner extends AsyncDisposable {
  /**
   * Whether files are in the lake before they are asked for, so that the first ones of a table have to be announced.
   */
  readonly stagesInLake: boolean
  /**
   * Runs a model. Run again it may write again: files that no commit names are deleted by the commit that was to take
   * them, or by the next vacuum.
   * @throws {ENGINE_SQL_REFUSED} terminal: the SQL does more than read its inputs
   * @throws {SqlInvalidError} {@link SqlFailedError} terminal: the SQL does not fit its inputs; with its place in the
   * text
   * @throws {TableLostError} {@link TableReplacedError} terminal: an input is not there in that version
   */
  run(work: ModelRun, options: { readonly signal: AbortSignal }): Promise<ModelResult>
}
