/** Lets one at a time in, in order of asking. */
export type Exclusive = {
  /** Waits for its turn. @returns what ends the turn; calling it twice does no harm */
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
