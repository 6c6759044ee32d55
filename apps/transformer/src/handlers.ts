import type { TaskHandlers } from '@cinelake/bus'
import type { Clock, Log } from '@cinelake/core'
import type { ModelRunner, SqlEngine } from '@cinelake/engine'
import type { Lake } from '@cinelake/lake'
import { createBuild } from './build/build-model.ts'
import { createRefine, type RefineDeps } from './refine/refine-dataset.ts'

/** Dependencies of the transformer's use cases. */
export type TransformerDeps = {
  readonly lake: Lake
  readonly engine: SqlEngine
  readonly clock: Clock
  readonly log: Log
  /** Runs the models. Default: the engine. */
  readonly runner?: ModelRunner
} & Partial<Pick<RefineDeps, 'scratch' | 'limits' | 'mart'>>

/** The transformer's use cases by the kind of command. */
export function createTransformerHandlers(deps: TransformerDeps): TaskHandlers {
  return { refine: createRefine(deps), build: createBuild(deps) }
}
