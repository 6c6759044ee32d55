import { TerminalError, TransientError } from '@cinelake/core'

/** A message that does not keep its contract: refused when sent, dead-lettered when received. */
export class MessageInvalidError extends TerminalError {
  readonly code = 'MESSAGE_INVALID'

  /** @param problems where it differs and what was expected there; no values, since nobody knows what they hold */
  constructor(contract: string, problems: readonly string[], options?: ErrorOptions) {
    super(
      `message does not keep its contract [contract=${contract}]: ${problems.join('; ')}; bring sender and receiver to the same release`,
      { contract },
      options,
    )
  }
}

/** A message that no broker would take. Data belongs in the lake; a message only names it. */
export class MessageTooLargeError extends TerminalError {
  readonly code = 'MESSAGE_TOO_LARGE'

  constructor(kind: string, sizeBytes: number, limitBytes: number) {
    super(
      `message is too large [kind=${kind}]: expected at most ${limitBytes} bytes, got ${sizeBytes}; put the data in the lake and name it`,
      { kind, sizeBytes, limitBytes },
    )
  }
}

/** The broker does not take or hand out messages now. */
export class BusUnavailableError extends TransientError {
  readonly code = 'BUS_UNAVAILABLE'

  constructor(doing: string, reason: string, options?: ErrorOptions) {
    super(`message bus is unavailable [reason=${reason}]: could not ${doing}; it is tried again`, { reason }, options)
  }
}

/** The lock on a message ran out while it was worked on: another worker may have it by now. */
export class LockLostError extends TransientError {
  readonly code = 'BUS_LOCK_LOST'

  constructor(entity: string, deliveryCount: number) {
    super(
      `lock on a message was lost [entity=${entity}, deliveryCount=${deliveryCount}]: expected it to be renewed in time; another worker goes on with it`,
      { entity, deliveryCount },
    )
  }
}
