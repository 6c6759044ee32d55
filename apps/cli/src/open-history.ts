import { systemClock } from '@cinelake/core'
import { createScheduler, type Scheduler } from '@cinelake/scheduler'
import { openBus, openExistingDatabase, openLake, openLog, openTimers } from './open-parts.ts'
import type { Terminal } from './output/terminal.ts'
import type { PlatformConfig } from './settings.ts'

/** The run history, with nothing that works on it. */
export async function openHistory(
  config: PlatformConfig,
  { terminal }: { readonly terminal: Terminal },
): Promise<AsyncDisposable & { readonly scheduler: Scheduler }> {
  await using opening = new AsyncDisposableStack()
  const log = openLog(config, terminal, (line) => line)
  const database = opening.use(await openExistingDatabase(config))
  const lake = opening.use(await openLake(config))
  const bus = opening.use(await openBus(config, log))
  const timers = opening.use(await openTimers(config, log))
  const scheduler = opening.use(await createScheduler({ bus, lake, database, timers, clock: systemClock, log }))
  const owned = opening.move()
  return { scheduler, [Symbol.asyncDispose]: async () => await owned.disposeAsync() }
}
