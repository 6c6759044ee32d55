import type { TaskHandlers } from '@cinelake/bus'
import { createDeliver, type DeliverDeps } from './deliver/deliver-tables.ts'
import { createLoad, type LoadDeps } from './load-table.ts'

export function createLoaderHandlers(deps: LoadDeps & DeliverDeps): TaskHandlers {
  return { load: createLoad(deps), deliver: createDeliver(deps) }
}
