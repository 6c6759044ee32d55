import { z } from 'zod'

/** The contract's version on every message. A consumer dead-letters versions that it does not know. */
export const CONTRACT_VERSION = 1

const instant = z.iso.datetime()

export const WindowSchema = z.object({ start: instant, end: instant, label: z.string().min(1) })

/** Which checked pipeline text a run uses: `pipelines/<name>/<digest>.json` in the lake. Pinned for the whole run. */
export const PipelineRef = z.object({ name: z.string().min(1), digest: z.string().regex(/^[0-9a-f]{64}$/) })
export type PipelineRef = z.infer<typeof PipelineRef>

/** The header of every command and event: the task that it is about. */
export const taskHeader = {
  /** Not `version`: in a command, that is the version of a table. */
  contract: z.literal(CONTRACT_VERSION),
  /** Unique per message: the broker's lock renewal is keyed by it. */
  id: z.uuid(),
  /** `<pipeline>@<window label>` */
  run: z.string().min(1),
  /** `ingest crm/users`, `refine users`, `build top_titles`, `load top_titles`, `deliver partner` */
  task: z.string().min(1),
  /**
   * Incremented when a finished window is deliberately re-run; the idempotency key of all writes is run + task +
   * generation.
   */
  generation: z.int().min(1),
  /** The number of the attempt; only for display. Never part of an idempotency key. */
  attempt: z.int().min(1),
}

const commandHeader = { ...taskHeader, pipeline: PipelineRef, window: WindowSchema }

export const TableName = z.object({ schema: z.string().min(1), name: z.string().min(1) })
export type TableName = z.infer<typeof TableName>

/** Lists the tables of a database source, so that each becomes a task. */
export const Discover = z.object({ kind: z.literal('discover'), ...commandHeader, source: z.string().min(1) })
export type Discover = z.infer<typeof Discover>

/** Lands one dataset of a source in raw. */
export const Ingest = z.object({
  kind: z.literal('ingest'),
  ...commandHeader,
  source: z.string().min(1),
  /** The dataset's name within the source; for an undeclared table of a database, `<schema>.<table>`. */
  dataset: z.string().min(1),
  /** The table to copy; database sources only. */
  table: TableName.optional(),
  /**
   * Where the last successful window of this task ended (exclusive lower bound is this instant, inclusive); null the
   * first time. Incremental datasets only.
   */
  since: z.iso.datetime().nullable(),
})
export type Ingest = z.infer<typeof Ingest>

const version = z.int().min(0)
/** Delta's table id. Version numbers are relative to this id: the same number under another id is another state. */
const tableId = z.string().min(1)

/**
 * The sender's knowledge of a table that is to be written: its newest version, and, where known, its id. If the lake
 * holds an older state, another table or none, the table is lost, not new.
 */
export const KnownVersion = z.object({ version, id: tableId.optional() })
export type KnownVersion = z.infer<typeof KnownVersion>

const writesTable = {
  /** Absent where the table is not known. */
  expected: KnownVersion.optional(),
  /** The same for the table of its rejected rows. */
  expectedRejects: KnownVersion.optional(),
  /** The table is created again with a new id, even if it exists: its history is lost, damaged or no longer wanted. */
  restart: z.boolean().optional(),
  /** The same only if the table is found to be lost or damaged; an intact table continues. */
  restartIfLost: z.boolean().optional(),
}

/** Turns raw data into a typed, checked, deduplicated Delta table. */
export const Refine = z.object({
  kind: z.literal('refine'),
  ...commandHeader,
  /** The refined table, which is also the dataset's name. */
  dataset: z.string().min(1),
  /** The manifest that the ingest task wrote, a lake path. */
  manifest: z.string().min(1),
  ...writesTable,
})
export type Refine = z.infer<typeof Refine>

/** One version of a refined table. Pinned, so that every attempt reads the same input. */
export const TableVersion = z.object({ table: z.string().min(1), version, id: tableId.optional() })
export type TableVersion = z.infer<typeof TableVersion>

/** Runs one model's SELECT over pinned versions of its inputs. */
export const Build = z.object({
  kind: z.literal('build'),
  ...commandHeader,
  model: z.string().min(1),
  inputs: z.array(TableVersion),
  ...writesTable,
})
export type Build = z.infer<typeof Build>

/** Copies one version of a refined table into its SQL table. */
export const Load = z.object({
  kind: z.literal('load'),
  ...commandHeader,
  table: z.string().min(1),
  version,
  /** Not `id`: that is the id of the message. */
  tableId: tableId.optional(),
})
export type Load = z.infer<typeof Load>

/** Writes versions of refined tables into the files of a delivery, all or none of them. */
export const Deliver = z.object({
  kind: z.literal('deliver'),
  ...commandHeader,
  /** Its name in the pipeline. */
  delivery: z.string().min(1),
  inputs: z.array(TableVersion).min(1),
})
export type Deliver = z.infer<typeof Deliver>

export const Command = z.discriminatedUnion('kind', [Discover, Ingest, Refine, Build, Load, Deliver])
export type Command = z.infer<typeof Command>
export type CommandKind = Command['kind']

/** The queue that a service takes its commands from. A site's agents share one queue. */
export const QUEUES = ['ingest-api', 'ingest-files', 'transformer', 'loader'] as const
export type Service = (typeof QUEUES)[number]
/** `ingest-files.<site>` for an agent on a company's own network; a service's own name otherwise. */
export type Queue = Service | `ingest-files.${string}`

/** An item of a run, before its inputs are known. */
export type PlannedTask = {
  /** `discover billing`, `ingest crm/users`, `refine users`, `build top_titles`, `load top_titles`, `deliver partner` */
  readonly name: string
  readonly queue: Queue
  /** Names of the tasks that it depends on. */
  readonly needs: readonly string[]
  readonly work:
    | { readonly kind: 'discover'; readonly source: string }
    | {
        readonly kind: 'ingest'
        readonly source: string
        readonly dataset: string
        readonly table?: TableName
        /** Whether it resumes from the position of an earlier window. */
        readonly incremental: boolean
      }
    | { readonly kind: 'refine'; readonly dataset: string }
    | {
        readonly kind: 'build'
        readonly model: string
        readonly inputs: readonly string[]
        /**
         * Tables of other pipelines that it also reads, each pinned to the version that was newest at the first build.
         */
        readonly uses?: readonly string[]
      }
    | { readonly kind: 'load'; readonly table: string }
    | {
        readonly kind: 'deliver'
        readonly delivery: string
        readonly tables: readonly string[]
        /** Whether each window has files of its own; otherwise a later window's take the place of those before. */
        readonly perWindow: boolean
      }
}
