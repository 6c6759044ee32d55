import { Semaphore } from '@cinelake/core'
import type { DatabaseSource } from '@cinelake/pipeline'

/** How many connections to each database are open in this process, and who waits for one. */
export class ConnectionSemaphore {
  readonly #permits = new Map<string, Semaphore>()

  /** Waits for a connection of a source to be allowed. */
  take(source: DatabaseSource, signal: AbortSignal): Promise<Disposable> {
    return this.#of(source).acquire(signal)
  }

  /** A connection more, where one is allowed at once. Who has one already must not wait for another. */
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
