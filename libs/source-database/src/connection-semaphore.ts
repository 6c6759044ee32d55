import type { DatabaseSource } from './config/index.ts'

type Slots = { free: number; readonly waiting: (() => void)[] }

/** How many connections to each database are open in this process, and who waits for one. */
export class ConnectionSlots {
  readonly #slots = new Map<string, Slots>()

  /** Waits for a connection of a source to be allowed. */
  async take(source: DatabaseSource, signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted()
    const slots = this.#of(source)
    if (slots.free > 0) {
      slots.free -= 1
      return taken(slots)
    }
    const turn = Promise.withResolvers<void>()
    slots.waiting.push(turn.resolve)
    const leave = () => {
      const at = slots.waiting.indexOf(turn.resolve)
      if (at >= 0) slots.waiting.splice(at, 1)
      turn.reject(signal.reason)
    }
    signal.addEventListener('abort', leave, { once: true })
    try {
      await turn.promise
    } finally {
      signal.removeEventListener('abort', leave)
    }
    return taken(slots)
  }

  /** A connection more, where one is allowed at once. Who has one already must not wait for another. */
  tryTake(source: DatabaseSource): Disposable | undefined {
    const slots = this.#of(source)
    if (slots.free === 0) return undefined
    slots.free -= 1
    return taken(slots)
  }

  #of({ url, maxConnections = Infinity }: DatabaseSource): Slots {
    const key = `${maxConnections} ${url}`
    const slots = this.#slots.get(key) ?? { free: maxConnections, waiting: [] }
    this.#slots.set(key, slots)
    return slots
  }
}

/** A slot; whoever waits for one gets it at once when it is given back. */
function taken(slots: Slots): Disposable {
  let isTaken = true
  return {
    [Symbol.dispose]() {
      if (!isTaken) return
      isTaken = false
      const next = slots.waiting.shift()
      if (next === undefined) slots.free += 1
      else next()
    },
  }
}
