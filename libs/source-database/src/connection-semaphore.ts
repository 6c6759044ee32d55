import { Semaphore } from '@cinelake/core'
import type { DatabaseSource } from './config/index.ts'

/** The number of open connections to each database in this process, and the waiting callers. */
export class ConnectionSemaphore {
  readonly #permits = new Map<string, Semaphore>()

  /** Waits for a connection permit of a source. */
  take(source: DatabaseSource, signal: AbortSignal): Promise<Disposable> {
    return this.#of(source).acquire(signal)
  }

  /** An additional connection, if a permit is free. A caller that already holds a permit must not wait for another (deadlock). */
  tryTake(source: DatabaseSource): Disposable | undefined {
    return this.#of(source).tryAcquire()
  }

  #of({ url, maxConnections = Infinity }: DatabaseSource): Semaphore {
    const key = `${maxConnections} ${url}`
    const permits = this.#permits.get(key) ?? new Semaphore(maxConnections)
    this.#permits.set(key, permits)
    return permits
  }
}
