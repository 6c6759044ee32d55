import { reportError, type Log } from '@cinelake/core'

/** Work that nobody waits for, which is nevertheless finished before the process is. */
export type Background = {
  /** @param what for the log, should it fail: nothing else comes of a failure */
  run(what: string, work: () => Promise<unknown>): void
  idle(): Promise<void>
}

export function createBackground(log: Log): Background {
  const underWay = new Set<Promise<void>>()
  return {
    run(what, work) {
      const done = work()
        .then(() => undefined)
        .catch((error: unknown) => log.warn({ what, error: reportError(error) }, 'work in the background failed'))
        .finally(() => underWay.delete(done))
      underWay.add(done)
    },
    async idle() {
      while (underWay.size > 0) await Promise.all(underWay)
    },
  }
}
