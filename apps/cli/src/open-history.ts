import { openRunHistory, type RunHistory } from '@cinelake/run-store'
import { openExistingDatabase } from './open-parts.ts'
import { createSchedulerClient } from './scheduler-client.ts'
import type { PlatformConfig } from './settings.ts'

/**
 * The run history for those who look: of the scheduler that `CINELAKE_API` names, else as it is in the database. Nothing is
 * opened that could take anything from a platform: neither its bus nor its timers.
 */
export async function openHistory(
  config: Pick<PlatformConfig, 'api' | 'warehouse'>,
  signal: AbortSignal,
): Promise<AsyncDisposable & RunHistory> {
  if (config.api !== undefined) {
    return { ...createSchedulerClient(config.api, signal), [Symbol.asyncDispose]: async () => {} }
  }
  await using opening = new AsyncDisposableStack()
  const database = opening.use(await openExistingDatabase(config))
  const history = await openRunHistory(database)
  const owned = opening.move()
  return { ...history, [Symbol.asyncDispose]: async () => await owned.disposeAsync() }
}
