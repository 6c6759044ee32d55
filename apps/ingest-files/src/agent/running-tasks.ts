import { LockLostError, type TaskHandler, type TaskHandlers } from '@cinelake/bus'
import type { CommandKind } from '@cinelake/contracts'

/** The handlers of a service, and how many of their tasks are running. */
type RunningTasks = { readonly handlers: TaskHandlers; readonly count: () => number }

/**
 * Lets running tasks continue when their consumer is closed at the end of operating hours: they are cancelled only when
 * the service stops, or when the lock on their command is lost before that. A lock that is lost later goes unnoticed
 * until the end: then two agents have done the work, which has the same effect as doing it once.
 * @param stopping aborted when the service is to stop
 */
export function keepRunning(handlers: TaskHandlers, stopping: AbortSignal): RunningTasks {
  let running = 0
  const kept = Object.entries(handlers).map(([kind, handler]) => {
    const wrapped: TaskHandler<CommandKind> = async (command, context) => {
      using end = following(context.signal, stopping)
      running += 1
      try {
        // Kind and command belong together, which the type system cannot express.
        return await (handler as TaskHandler<CommandKind>)(command, { ...context, signal: end.signal })
      } finally {
        running -= 1
      }
    }
    return [kind, wrapped]
  })
  return { handlers: Object.fromEntries(kept) as TaskHandlers, count: () => running }
}

function following(delivery: AbortSignal, stopping: AbortSignal): Disposable & { readonly signal: AbortSignal } {
  const end = new AbortController()
  const look = () => {
    if (stopping.aborted) end.abort(stopping.reason)
    else if (delivery.aborted && delivery.reason instanceof LockLostError) end.abort(delivery.reason)
  }
  look()
  delivery.addEventListener('abort', look)
  stopping.addEventListener('abort', look)
  return {
    signal: end.signal,
    [Symbol.dispose]() {
      delivery.removeEventListener('abort', look)
      stopping.removeEventListener('abort', look)
    },
  }
}
