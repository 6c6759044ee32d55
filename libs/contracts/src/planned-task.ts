import type { Queue, TableName } from './commands.ts'

/** An item of a run before it is known what its inputs will be. */
export type PlannedTask = {
  /** `discover billing`, `ingest crm/users`, `refine users`, `build top_titles`, `load top_titles` */
  readonly name: string
  readonly queue: Queue
  /** Names of the tasks whose output it needs. */
  readonly needs: readonly string[]
  readonly work:
    | { readonly kind: 'discover'; readonly source: string }
    | {
        readonly kind: 'ingest'
        readonly source: string
        readonly dataset: string
        readonly table?: TableName
        /** Whether it goes on from what a window before has landed. */
        readonly incremental: boolean
      }
    | { readonly kind: 'refine'; readonly dataset: string }
    | {
        readonly kind: 'build'
        readonly model: string
        readonly inputs: readonly string[]
        /** Tables of other pipelines that it reads besides, each in the version that is the newest when it is built first. */
        readonly uses?: readonly string[]
      }
    | { readonly kind: 'load'; readonly table: string }
}
