import type { TaskHandlers } from '@cinelake/bus'
import { createLoad, type LoadDeps } from './load-table.ts'

/** The loader's use cases by the command that asks for them. */
export function createLoaderHandlers(deps: LoadDeps): TaskHandlers {
  return { load: createLoad(deps) }
}
