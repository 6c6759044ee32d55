import { spawn } from 'node:child_process'

/** Milliseconds after which a process that does not end is ended by the system. */
const LAST_MS = 3_000

const KILL_LATER = `setTimeout(() => { try { process.kill(Number(process.argv[1]), 'SIGKILL') } catch {} }, ${LAST_MS})`

/**
 * Ends the process, also where a call to the file system never returns: on a share that hangs, in a pipe that nothing
 * writes to. To end, Node waits for the threads of such calls; another process then ends this one.
 */
export function endProcess(code?: number): never {
  const isWaiting = process.getActiveResourcesInfo().some((name) => name.startsWith('FSReq'))
  if (isWaiting) {
    const options = { detached: true, stdio: 'ignore' } as const
    spawn(process.execPath, ['-e', KILL_LATER, String(process.pid)], options).unref()
  }
  process.exit(code)
}
