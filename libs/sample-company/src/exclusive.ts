/** A mutex with a fair queue. */
export type Exclusive = {
  /** Waits for the lock. @returns releases the lock; idempotent */
  enter(): Promise<() => void>
}

export function createExclusive(): Exclusive {
  let last: Promise<void> = Promise.resolve()
  return {
    enter() {
      const { promise, resolve } = Promise.withResolvers<void>()
      const turn = last.then(() => () => resolve())
      last = promise
      return turn
    },
  }
}
