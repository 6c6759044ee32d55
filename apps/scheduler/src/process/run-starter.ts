import { reportError, type Log } from '@cinelake/core'
import { isRedone, isRunFinished, type Run } from '@cinelake/run-store'
import type { RunStore } from '@cinelake/run-store/write'
import type { RunProcessor } from './run-processor.ts'

export type RunStarter = {
  /** Starts a waiting run unless something blocks it. Safe to call at any time. */
  readonly begin: (runId: string) => Promise<void>
  /** Starts the runs that waited for a run that is now finished. Those that fail are left for the sweep. */
  readonly followersOf: (run: Run) => Promise<void>
}

export function createRunStarter(deps: {
  readonly store: Pick<RunStore, 'load' | 'since' | 'unfinished'>
  readonly processor: RunProcessor
  readonly log: Log
}): RunStarter {
  const { store, processor, log } = deps

  const begin = async (runId: string): Promise<void> => {
    const run = (await store.load(runId))?.run
    if (run?.state !== 'waiting') return
    if (run.after !== null) {
      const before = (await store.load(run.after))?.run
      if (before !== undefined && !isRunFinished(before)) return
      if (before !== undefined && isHeldBy(run, before)) {
        const reason = `needs ${before.id}, in which the same tasks were not done`
        return void (await processor.submit(runId, [{ kind: 'cancel', reason }]))
      }
    }
    const since = await store.since(run.pipeline, run.window.start, incrementalTasks(run))
    await processor.submit(runId, [{ kind: 'begin', since }])
  }

  return {
    begin,
    async followersOf({ id, pipeline }) {
      try {
        for (const waiting of await store.unfinished(pipeline)) {
          if (waiting.after_run === id) await begin(waiting.id)
        }
      } catch (error) {
        log.warn(
          { run: id, error: reportError(error) },
          'runs that waited for this one did not begin; the sweep lets them',
        )
      }
    },
  }
}

/**
 * A table that starts over with one window cannot continue with the next one before the first is done: it would lack
 * that window's rows.
 */
function isHeldBy({ redo }: Run, before: Run): boolean {
  return redo?.isOrdered === true && before.redo?.id === redo.id && !isRedone(before)
}

function incrementalTasks(run: Run): string[] {
  return [...run.tasks.values()].flatMap(({ planned }) =>
    planned.work.kind === 'ingest' && planned.work.incremental ? [planned.name] : [],
  )
}
