import { reportError, type Log } from '@cinelake/core'

/**
 * Does something again and again in this process, `everyMs` after it was done last: for what has to happen even where
 * everything else that could say "now" is away. A failure is logged, and the next tick tries again.
 * @param what for the log
 * @returns disposing waits for the work under way
 */
export function startInterval(what: string, everyMs: number, work: () => Promise<void>, log: Log): AsyncDisposable {
  let timeout: NodeJS.Timeout | undefined
  let underWay: Promise<void> = Promise.resolve()
  let isStopped = false

  const tick = async () => {
    try {
      await work()
    } catch (error) {
      log.warn({ what, error: reportError(error) }, 'regular work failed; it is tried again')
    }
    wait()
  }
  const wait = () => {
    if (!isStopped) timeout = setTimeout(() => void (underWay = tick()), everyMs)
  }
  wait()

  return {
    async [Symbol.asyncDispose]() {
      isStopped = true
      clearTimeout(timeout)
      await underWay
    },
  }
}
