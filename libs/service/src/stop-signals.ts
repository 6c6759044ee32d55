import { spawn } from 'node:child_process'

/**
 * Exit codes of a process that was ended by a signal: 128 + the signal's number. Source: the shell's convention,
 * signal(7)
 */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const

/** The stop request of a process. */
export type StopSignals = Disposable & {
  /** Aborted by the first SIGTERM or SIGINT, or by `stop`. */
  readonly signal: AbortSignal
  /** Resolves when `signal` is aborted; keeps the process alive until then. */
  readonly wait: () => Promise<void>
  readonly stop: (reason: string) => void
}

/** Listens for signals: the first one asks for a graceful stop, a second one ends the process at once. */
export function listenForStop(): StopSignals {
  const controller = new AbortController()
  const onSignal = (name: NodeJS.Signals) => {
    if (controller.signal.aborted) endProcess(name === 'SIGINT' ? EXIT_CODES.SIGINT : EXIT_CODES.SIGTERM)
    controller.abort(name)
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
  return {
    signal: controller.signal,
    stop: (reason) => controller.abort(reason),
    async wait() {
      if (controller.signal.aborted) return
      // A consumer that waits for in-memory messages has no handle that keeps the event loop alive.
      const keepAlive = setInterval(() => {}, 3_600_000)
      await new Promise<void>((resolve) => controller.signal.addEventListener('abort', () => resolve(), { once: true }))
      clearInterval(keepAlive)
    },
    [Symbol.dispose]() {
      process.off('SIGTERM', onSignal)
      process.off('SIGINT', onSignal)
    },
  }
}

/** Milliseconds after which a process that does not exit is killed. */
const LAST_MS = 3_000

const KILL_LATER = `setTimeout(() => { try { process.kill(Number(process.argv[1]), 'SIGKILL') } catch {} }, ${LAST_MS})`

/**
 * Ends the process, even if a file system call never returns: on a hung network share, or in a pipe without a writer.
 * Node waits for the threads of such calls before it exits; another process then kills this one.
 */
export function endProcess(code?: number): never {
  const isWaiting = process.getActiveResourcesInfo().some((name) => name.startsWith('FSReq'))
  if (isWaiting) {
    const options = { detached: true, stdio: 'ignore' } as const
    spawn(process.execPath, ['-e', KILL_LATER, String(process.pid)], options).unref()
  }
  process.exit(code)
}
