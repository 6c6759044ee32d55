/** A counting semaphore: a bounded number of permits is held at once; the others wait in arrival order. */
export class Semaphore {
  #free: number
  readonly #waiting = new Set<() => void>()

  /** @param permits held at once; `Infinity` for no limit */
  constructor(permits: number) {
    this.#free = permits
  }

  /**
   * Waits for a permit. Disposing releases it; disposing twice releases it once.
   * @throws the signal's reason, when it is aborted before there is one
   */
  async acquire(signal?: AbortSignal): Promise<Disposable> {
    signal?.throwIfAborted()
    const permit = this.tryAcquire()
    if (permit !== undefined) return permit
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const abort = () => {
      // Once a waiter was handed the permit it is no longer in the queue, and keeps it.
      if (this.#waiting.delete(resolve)) reject(signal?.reason)
    }
    this.#waiting.add(resolve)
    signal?.addEventListener('abort', abort, { once: true })
    await promise.finally(() => signal?.removeEventListener('abort', abort))
    return this.#permit()
  }

  /** A permit if one is free now; for callers that hold one already and must not wait for another. */
  tryAcquire(): Disposable | undefined {
    if (this.#free <= 0) return undefined
    this.#free -= 1
    return this.#permit()
  }

  /** Runs the work while holding a permit. @throws the signal's reason, when it is aborted before the work begins */
  async run<Result>(work: () => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    signal?.throwIfAborted()
    // Where a permit is free the work begins in this turn of the event loop.
    using _permit = this.tryAcquire() ?? (await this.acquire(signal))
    return await work()
  }

  #permit(): Disposable {
    let isHeld = true
    return {
      [Symbol.dispose]: () => {
        if (isHeld) this.#release()
        isHeld = false
      },
    }
  }

  /** The permit is handed over, not put back, so that no later caller can take it first. */
  #release(): void {
    const [next] = this.#waiting
    if (next === undefined) {
      this.#free += 1
      return
    }
    this.#waiting.delete(next)
    next()
  }
}

/**
 * Processes items with at most `width` at once. After a failure no further item is started, and the error is thrown
 * when the running ones have ended, so that no work continues after the call.
 * @returns results in the order of the items
 */
export async function concurrently<Item, Result>(
  items: readonly Item[],
  width: number,
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = []
  const entries = items.entries()
  const failures: unknown[] = []
  const worker = async () => {
    for (const [index, item] of entries) {
      if (failures.length > 0) return
      try {
        results[index] = await work(item)
      } catch (error) {
        failures.push(error)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker))
  if (failures.length > 0) throw failures[0]
  return results
}
