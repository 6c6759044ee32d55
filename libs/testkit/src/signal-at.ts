import { promises } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { isMainThread } from 'node:worker_threads'

/** A point in the work of a process, the same one on a slow machine and on a fast one. */
export type WorkPoint = {
  /** Lines of its output until then, those alone that hold `lineWith`. */
  readonly lines: number
  readonly lineWith?: string
  /** Further changes of files until then; two such lines more are the point as well. Default 0. */
  readonly fileChanges?: number
}

const FURTHER_LINES = 2

/**
 * The argument of `node --import` with which a process signals itself at a point of its work. A signal that another
 * process sends when it has read a line comes late on a busy machine, or after the end.
 * @param signals in this order, without a pause
 */
export function signalAt(signals: readonly NodeJS.Signals[], point: WorkPoint): string {
  const url = new URL(import.meta.url)
  url.search = new URLSearchParams({ signals: signals.join(), point: JSON.stringify(point) }).toString()
  return url.href
}

const { searchParams } = new URL(import.meta.url)
const asked = searchParams.get('point')
// Threads of the process load it too.
if (asked !== null && isMainThread) signalMyselfAt(JSON.parse(asked) as WorkPoint)

function signalMyselfAt({ lines, lineWith = '', fileChanges = 0 }: WorkPoint): void {
  let [lineCount, changeCount, isSent] = [0, 0, false]
  const look = () => {
    const isThere = lineCount >= lines && (changeCount >= fileChanges || lineCount >= lines + FURTHER_LINES)
    if (!isThere || isSent) return
    isSent = true
    for (const signal of searchParams.get('signals')?.split(',') ?? []) process.kill(process.pid, signal)
  }
  countCalls(process.stdout, ['write'], onWritten)
  countCalls(process.stderr, ['write'], onWritten)
  countCalls(promises, ['open', 'writeFile', 'copyFile', 'link', 'rename', 'rm', 'unlink', 'mkdir'], () => {
    if (lineCount >= lines) changeCount += 1
    look()
  })
  syncBuiltinESMExports()

  function onWritten(text: unknown): void {
    lineCount += String(text)
      .split('\n')
      .slice(0, -1)
      .filter((line) => line.includes(lineWith)).length
    look()
  }
}

/** Tells of each call of these functions of an object, once it is made. */
function countCalls<Name extends string>(
  target: Record<Name, (...args: never[]) => unknown>,
  names: readonly Name[],
  onCall: (argument: unknown) => void,
): void {
  for (const name of names) {
    const original = target[name] as (...args: unknown[]) => unknown
    const counted = function (this: unknown, ...args: unknown[]) {
      const result = original.apply(this, args)
      onCall(args[0])
      return result
    }
    Object.assign(target, { [name]: counted })
  }
}
