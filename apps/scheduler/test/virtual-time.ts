import type { PgliteDatabase } from '@cinelake/database/pglite'
import type { OpsSchema } from '@cinelake/run-store'
import { setImmediate as turn } from 'node:timers/promises'
import { vi } from 'vitest'

type Embedded = PgliteDatabase<OpsSchema>['pglite']
type EmbeddedSession = Parameters<Parameters<Embedded['exclusive']>[0]>[0]

/** The replaced functions: `setImmediate`, microtasks and messages of threads are real. */
const FAKED = ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'] as const

/**
 * Virtual time of this process, which advances only when nothing is left to do before the next timer: the order of
 * events depends on the code and its seeds, not on the machine. Work that waits for anything but timers and the
 * database - a socket, a file - is not supported.
 */
export function virtualTime(database: PgliteDatabase<OpsSchema>, at = '2026-03-02T03:00:00Z') {
  using stack = new DisposableStack()
  const statements = stack.use(countStatements(database))
  vi.useFakeTimers({ now: new Date(at), toFake: [...FAKED], fakeNodeBuiltins: true })
  stack.defer(() => void vi.useRealTimers())
  const owned = stack.move()
  return {
    /** Lets time advance until the promise settles. */
    async until<Result>(work: Promise<Result>): Promise<Result> {
      let isDone = false
      const ending = work.finally(() => void (isDone = true))
      ending.catch(() => undefined)
      for (;;) {
        do await turn()
        while (statements.underWay() > 0)
        if (isDone) return await ending
        vi.advanceTimersToNextTimer()
      }
    },
    [Symbol.dispose]: () => owned.dispose(),
  }
}

/** Statements that the thread of the database has not answered yet: the only real waiting here. */
function countStatements({ pglite }: PgliteDatabase<OpsSchema>) {
  const exclusive = pglite.exclusive.bind(pglite)
  let count = 0
  const counted = async <Result>(work: Promise<Result>): Promise<Result> => {
    count += 1
    try {
      return await work
    } finally {
      count -= 1
    }
  }
  const countedSession = (session: EmbeddedSession): EmbeddedSession => ({
    query: (...asked) => counted(session.query(...asked)),
    exec: (...asked) => counted(session.exec(...asked)),
    raw: (...asked) => counted(session.raw(...asked)),
    describe: (...asked) => counted(session.describe(...asked)),
  })
  pglite.exclusive = (work, signal) => exclusive((session) => work(countedSession(session)), signal) as never
  return {
    underWay: () => count,
    // The original, which hides the method of its class.
    [Symbol.dispose]: () => void Reflect.deleteProperty(pglite, 'exclusive'),
  }
}
