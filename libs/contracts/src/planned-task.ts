import type { Queue, TableName } from './commands.ts'

/** An item of a run, before its inputs are known. */
export type PlannedTask = {
  /** `discover billing`, `ingest crm/users`, `refine users`, `build top_titles`, `load top_titles` */
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
}
