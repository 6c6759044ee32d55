import { CancelledError } from '@cinelake/core'
import { historyErrors, isRunFinished } from '@cinelake/run-store'
import type { RunStore } from '@cinelake/run-store/write'

/** Milliseconds between polls of an awaited run: another replica may be the one that finishes it. */
const LOOK_MS = 1000

export type RunWaiter = {
  /** @throws {RUN_MISSING} terminal @throws {CancelledError} transient: the signal was aborted */
  untilFinished(runId: string, signal?: AbortSignal): Promise<void>
  /** Announces that a run is finished, so that waiters need not poll. */
  finished(runId: string): void
}

export function createRunWaiter(store: Pick<RunStore, 'stateOf'>): RunWaiter {
  const waiting = new Map<string, Set<() => void>>()

  const listen = (runId: string, signal: AbortSignal | undefined) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const wakers = waiting.get(runId) ?? new Set()
    waiting.set(runId, wakers.add(resolve))
    const timeout = setTimeout(resolve, LOOK_MS)
    const onAbort = () => resolve()
    signal?.addEventListener('abort', onAbort, { once: true })
    return {
      somethingHappens: promise,
      [Symbol.dispose]() {
        clearTimeout(timeout)
        signal?.removeEventListener('abort', onAbort)
        wakers.delete(resolve)
        if (wakers.size === 0 && waiting.get(runId) === wakers) waiting.delete(runId)
      },
    }
  }

  return {
    async untilFinished(runId, signal) {
      for (;;) {
        if (signal?.aborted === true) throw new CancelledError(`waiting for ${runId}`, { cause: signal.reason })
        // Subscribes before the first poll, so that no change in between is missed.
        using listening = listen(runId, signal)
        const state = await store.stateOf(runId)
        if (state === undefined) throw historyErrors.RUN_MISSING(runId)
        if (isRunFinished({ state })) return
        await listening.somethingHappens
      }
    },
    finished(runId) {
      for (const wake of waiting.get(runId) ?? []) wake()
    },
  }
}
