import { spawn } from 'node:child_process'

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
