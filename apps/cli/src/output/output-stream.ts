/** What is needed of a stream of the process. */
type Stream = {
  write(text: string): unknown
  on(event: 'error', listener: (error: NodeJS.ErrnoException) => void): unknown
  once?(event: 'drain', listener: () => void): unknown
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
}

/**
 * A stream whose reader may go away. One that has seen enough (`| head`) closes the pipe: that is no error, and no reason to
 * give up work that is under way, so whatever is still written goes nowhere. Anything else is told, once.
 */
export function openOutput(stream: Stream, onFailure: (error: NodeJS.ErrnoException) => void) {
  let isGone = false
  const end = (error: NodeJS.ErrnoException) => {
    if (isGone) return
    isGone = true
    if (error.code !== 'EPIPE') onFailure(error)
  }
  stream.on('error', end)
  return {
    write: (text: string) => void (isGone || stream.write(text)),
    /** Waits until the reader takes more. @returns false when it has gone */
    async writeAll(text: string): Promise<boolean> {
      if (!isGone && stream.write(text) === false) {
        await new Promise<void>((resolve) => {
          stream.once?.('drain', resolve)
          stream.on('error', () => resolve())
        })
      }
      return !isGone
    },
    get isTTY() {
      return stream.isTTY === true
    },
    get columns() {
      return stream.columns ?? 0
    },
    get rows() {
      return stream.rows ?? 0
    },
  }
}
