/** The used part of a process stream. */
type Stream = {
  write(text: string): unknown
  on(event: 'error', listener: (error: NodeJS.ErrnoException) => void): unknown
  once?(event: 'drain', listener: () => void): unknown
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
}

/**
 * A stream whose reader may close it. A reader such as `| head` closes the pipe when it has enough: that is not an
 * error, and no reason to cancel work in progress, so later writes are discarded. Any other error is reported once.
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
    /** Waits until the stream accepts more. @returns false when the reader has closed it */
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
