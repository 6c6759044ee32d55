import type { ColumnType, Insertable, Selectable, Kysely } from 'kysely'
import type { RunState, TaskState } from '../run.ts'

/** The schema that the scheduler owns and keeps the truth in. No other service reads it. */
export const OPS = 'ops'

/** A count of rows: 64 bits, which drivers hand out in different shapes; read through `Number`. */
type Count = ColumnType<number | string | bigint, number, number>
type MaybeCount = ColumnType<number | string | bigint | null, number | null, number | null>

/** Every text of a pipeline that a run was made under. */
export type PipelinesTable = {
  name: string
  digest: string
  /** Lake path of the frozen text. */
  location: string
  first_used_at: Date
}

export type RunsTable = {
  id: string
  pipeline: string
  digest: string
  window_label: string
  window_start: Date
  window_end: Date
  state: RunState
  after_run: string | null
  /** Raised by every transition; one that was decided on another revision than this does not take place. */
  revision: number
  requested_at: Date
  started_at: Date | null
  finished_at: Date | null
  /** JSON of `Redo`. */
  redo: string | null
}

export type TasksTable = {
  run: string
  task: string
  position: number
  /** JSON of `PlannedTask`. */
  planned: string
  state: TaskState
  generation: number
  attempt: number
  attempt_limit: number
  since: Date | null
  /** Null in state `queued` is the outbox: the command is to be sent. */
  sent_at: Date | null
  worker: string | null
  started_at: Date | null
  finished_at: Date | null
  due_at: Date | null
  /** JSON of `TaskFacts`; null in rows of versions that kept only the columns below. */
  facts: string | null
  // Facts that are queried, and what a scheduler of the version before reads.
  duration_ms: number | null
  balance_unit: 'rows' | 'files' | null
  count_in: MaybeCount
  count_out: MaybeCount
  count_rejected: MaybeCount
  count_duplicates: MaybeCount
  /** JSON of `TaskOutput`. */
  output: string | null
  error_code: string | null
  /** JSON of `ErrorReport`. */
  error: string | null
  /** Why it was skipped. */
  reason: string | null
  /** Of the pipeline's text that it succeeded under. */
  digest: string | null
  /** 1: its table begins a new life with it. */
  restart: number | null
}

/** Which attempt a row of the history is about. */
type AttemptKey = { run: string; task: string; generation: number; attempt: number }

export type AttemptsTable = AttemptKey & {
  outcome: 'succeeded' | 'failed'
  worker: string | null
  started_at: Date | null
  finished_at: Date
  /** JSON of `TaskFacts`; null in rows of versions that kept only the columns below. */
  facts: string | null
  duration_ms: number | null
  error_code: string | null
  error_message: string | null
}

/** What the quality rules found, by attempt. */
export type QualityResultsTable = AttemptKey & {
  /** Place in the list as reported; rules are not unique by name. */
  ordinal: number
  rule: string
  severity: 'warn' | 'error' | 'fail'
  checked: Count
  failed: Count
  detail: string | null
}

/** Rejected rows by rule, by attempt. */
export type RejectCountsTable = AttemptKey & {
  ordinal: number
  rule: string
  row_count: Count
}

/** The latest heartbeat of each on-prem agent. */
export type AgentsTable = {
  /** Empty for agents of sources without a site. */
  site: string
  node: string
  version: string
  free_disk_bytes: Count
  running_tasks: number
  state: 'working' | 'outside-hours'
  /** By the agent's clock. */
  said_at: Date
  /** By the scheduler's clock. */
  heard_at: Date
}

/** The newest version that the tasks of a pipeline are known to have made of each table that they write. */
export type KnownTablesTable = {
  pipeline: string
  name: string
  /** Delta's table id; null for what was made before ids were noted. */
  table_id: string | null
  version: Count
  /** When the table was first heard of. */
  noted_at: Date
}

/** The folder that the runs of a pipeline come from, where all services are in one process. */
export type PipelineOriginsTable = {
  pipeline: string
  folder: string
  noted_at: Date
}

/** Whose run history it is: one row. */
export type OwnerTable = {
  id: number
  kind: 'deployed' | 'embedded'
  since: Date
}

/** The database that the run history is kept in. */
export type RunDatabase = {
  readonly db: Kysely<OpsSchema>
  /** Names it in messages: its address without secrets. */
  readonly location: string
}

/** The `ops` schema as Kysely sees it: `db.withSchema(OPS)`. Instants are `Date`s. */
export type OpsSchema = {
  pipelines: PipelinesTable
  runs: RunsTable
  tasks: TasksTable
  attempts: AttemptsTable
  quality_results: QualityResultsTable
  reject_counts: RejectCountsTable
  agents: AgentsTable
  known_tables: KnownTablesTable
  pipeline_origins: PipelineOriginsTable
  owner: OwnerTable
}

export type RunRow = Selectable<RunsTable>
export type TaskRow = Selectable<TasksTable>
export type NewTaskRow = Insertable<TasksTable>
