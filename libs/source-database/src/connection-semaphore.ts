import type { DatabaseSource } from './config/index.ts'

type Permits = { free: number; readonly waiting: (() => void)[] }

/** How many connections to each database are open in this process, and who waits for one. */
export class ConnectionSemaphore {
  readonly #permits = new Map<string, Permits>()

  /** Waits for a connection of a source to be allowed. */
  async take(source: DatabaseSource, signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted()
    const permits = this.#of(source)
    if (permits.free > 0) {
      permits.free -= 1
      return taken(permits)
    }
    const permit = Promise.withResolvers<void>()
    permits.waiting.push(permit.resolve)
    const leave = () => {
      const at = permits.waiting.indexOf(permit.resolve)
      if (at >= 0) permits.waiting.splice(at, 1)
      permit.reject(signal.reason)
    }
    signal.addEventListener('abort', leave, { once: true })
    try {
      await permit.promise
    } finally {
      signal.removeEventListener('abort', leave)
    }
    return taken(permits)
  }

  /** A connection more, where one is allowed at once. Who has one already must not wait for another. */
  tryTake(source: DatabaseSource): Disposable | undefined {
    const permits = this.#of(source)
    if (permits.free === 0) return undefined
    permits.free -= 1
    return taken(permits)
  }

  #of({ url, maxConnections = Infinity }: DatabaseSource): Permits {
    const key = `${maxConnections} ${url}`
    const permits = this.#permits.get(key) ?? { free: maxConnections, waiting: [] }
    this.#permits.set(key, permits)
    return permits
  }
}

/** A permit; the caller that has waited longest gets it as soon as it is given back. */
function taken(permits: Permits): Disposable {
  let isTaken = true
  return {
    [Symbol.dispose]() {
      if (!isTaken) return
      isTaken = false
      const next = permits.waiting.shift()
      if (next === undefined) permits.free += 1
      else next()
    },
  }
}
