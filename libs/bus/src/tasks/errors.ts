import { formatBalance, TerminalError, type Balance } from '@cinelake/core'

/** Rows were lost or made up on the way: nothing of the task may be published. */
export class BalanceBrokenError extends TerminalError {
  readonly code = 'BALANCE_BROKEN'

  constructor(task: string, balance: Balance) {
    const { unit, in: inCount, out, rejected, duplicates } = balance
    super(
      `balance is broken [task=${task}, unit=${unit}]: expected in = out + rejected + duplicates, got ${formatBalance(balance)}; ` +
        'this is a mistake in a model or in the service, so do not publish, and look for the step that drops or repeats rows',
      { task, unit, in: inCount, out, rejected, duplicates },
    )
  }
}

/** A command of a kind that this service does not carry out: it came to the wrong queue. */
export class CommandUnknownError extends TerminalError {
  readonly code = 'COMMAND_UNKNOWN'

  constructor(kind: string, known: readonly string[]) {
    super(
      `command is not for this service [kind=${kind}]: expected one of ${known.join(', ')}; check which queue the scheduler sends it to`,
      { kind, known: known.join(', ') },
    )
  }
}
