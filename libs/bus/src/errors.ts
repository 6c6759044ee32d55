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

/** A queue, the topic or a subscription is not there. Somebody has to make it; then the same message goes through. */
export class BusEntityMissingError extends TransientError {
  readonly code = 'BUS_ENTITY_MISSING'

  constructor(entity: string, doing: string, options?: ErrorOptions) {
    super(
      `message bus has no such entity [entity=${entity}]: could not ${doing}; make what is missing with \`cinelake bus create\`, ` +
        'or check the name of the namespace and of the site',
      { entity },
      options,
    )
  }
}

/** Nobody could be signed in, so that the broker was not even asked. What gives identities may be away, or not set up. */
export class BusIdentityError extends TransientError {
  readonly code = 'BUS_NO_IDENTITY'

  /** @param reason the name of what the sign-in came to */
  constructor(doing: string, reason: string, options?: ErrorOptions) {
    super(
      `message bus needs an identity [reason=${reason}]: could not ${doing}, as nobody could be signed in; give this process a ` +
        'workload identity or managed identity on Azure, AZURE_TENANT_ID with AZURE_CLIENT_ID and a secret or certificate ' +
        'elsewhere, or set CINELAKE_BUS_CONNECTION_STRING',
      { reason },
      options,
    )
  }
}

/** The namespace does not let this identity do that. A role takes some minutes to come into force. */
export class BusForbiddenError extends TransientError {
  readonly code = 'BUS_FORBIDDEN'

  /** @param role what the identity needs, as Azure calls it */
  constructor(entity: string, doing: string, role: string, options?: ErrorOptions) {
    super(
      `message bus refused the identity or key [entity=${entity}]: could not ${doing}; give the identity the role ` +
        `"${role}", or the key the right that goes with it, and wait some minutes for it to come into force`,
      { entity, role },
      options,
    )
  }
}
