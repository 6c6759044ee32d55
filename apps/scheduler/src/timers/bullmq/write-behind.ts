import { reportError, type Log } from '@cinelake/core'
import { setTimeout as pause } from 'node:timers/promises'

/** Accepts writes without blocking the caller, and performs them in the background. */
export interface WriteBehind extends AsyncDisposable {
  /** The write replaces one under the same key that has not started yet. */
  put(key: string, write: () => Promise<unknown>): void
  /** Signals that a retry is worthwhile now. */
  wake(): void
}

export type WriteBehindOptions = {
  readonly log: Log
  /** Whether a retry may help. Otherwise the write is dropped, and logged. */
  readonly mayRetry: (error: unknown) => boolean
  /** Pending writes at most; further ones are dropped. */
  readonly limit?: number
  /** Milliseconds that disposing waits for pending writes. */
  readonly lingerMs: number
}

/** Some hundred bytes each, so that the buffer stays below ten MiB however long Redis is down. */
const LIMIT = 10_000
/** Concurrent writes. */
const BATCH = 64
/** Milliseconds until a failed write is tried again. */
const RETRY_MS = 500

export function createWriteBehind(options: WriteBehindOptions): WriteBehind {
  const { log, mayRetry, limit = LIMIT, lingerMs } = options
  const kept = new Map<string, () => Promise<unknown>>()
  const closing = new AbortController()
  let waking = new AbortController()
  let working: Promise<void> | undefined
  let dropped = 0

  const put = (key: string, write: () => Promise<unknown>) => {
    if (closing.signal.aborted) return
    if (kept.size >= limit && !kept.has(key)) {
      if (dropped++ === 0) log.warn({ limit }, 'too many timers wait for Redis; further ones are left to the sweep')
      return
    }
    kept.set(key, write)
    working ??= workOff().finally(() => (working = undefined))
  }

  const workOff = async () => {
    // Writes queued later in the same tick join this batch, and replace those that they supersede.
    await Promise.resolve()
    while (kept.size > 0) {
      const batch = [...kept].slice(0, BATCH)
      for (const [key] of batch) kept.delete(key)
      const failed = await writeAll(batch)
      for (const [key, write] of failed) if (!kept.has(key)) kept.set(key, write)
      if (failed.length === 0) dropped = 0
      else if (closing.signal.aborted) return
      else await pause(RETRY_MS, undefined, { signal: waking.signal }).catch(() => undefined)
    }
  }

  const writeAll = async (batch: readonly (readonly [string, () => Promise<unknown>])[]) => {
    const outcomes = await Promise.allSettled(batch.map(([, write]) => write()))
    return batch.filter(([key], index) => {
      const outcome = outcomes[index]
      if (outcome?.status !== 'rejected') return false
      if (mayRetry(outcome.reason)) return true
      log.warn(
        { key, error: reportError(outcome.reason) },
        'timer was not taken; the sweep does what it would have done',
      )
      return false
    })
  }

  const wake = () => {
    waking.abort()
    waking = new AbortController()
  }

  return {
    put,
    wake,
    async [Symbol.asyncDispose]() {
      const lingering = new AbortController()
      const tooLong = pause(lingerMs, undefined, { signal: lingering.signal }).catch(() => undefined)
      await Promise.race([working, tooLong])
      lingering.abort()
      closing.abort()
      wake()
    },
  }
}
