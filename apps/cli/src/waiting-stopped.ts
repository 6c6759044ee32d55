import { CancelledError } from '@cinelake/core'

/** The command was cancelled while the scheduler works: its runs continue. */
export class WaitingStoppedError extends CancelledError {
  constructor(url: string, runs: readonly string[]) {
    super('waiting for the scheduler')
    const example = runs[0] === undefined ? 'cinelake status' : `cinelake status ${runs[0]}`
    this.message =
      runs.length === 0
        ? `Stopped. Whether the scheduler at ${url} took the request is not known; \`${example}\` shows it.`
        : `Stopped waiting. The runs continue at ${url}; \`${example}\` shows them.`
  }
}
