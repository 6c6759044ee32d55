import { reportError, type Log } from '@cinelake/core'

/**
 * Repeats work in this process, `everyMs` after it last ended: for work that must continue even when every external
 * timer is down. A failure is logged, and the next tick tries again.
 * @param what name of the work, for the log
 * @returns disposing waits for the work in progress
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
