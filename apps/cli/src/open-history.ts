import { openRunHistory, type RunHistory } from '@cinelake/run-store'
import { openExistingDatabase } from './open-parts.ts'
import { createSchedulerClient } from './scheduler-client.ts'
import type { PlatformConfig } from './settings.ts'

/**
 * The run history, read-only: of the scheduler that `CINELAKE_API` names, otherwise from the database. Opens neither
 * the bus nor the timers, from which a process could consume messages of a platform.
 */
export async function openHistory(
  config: Pick<PlatformConfig, 'api' | 'database'>,
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
