import { defineErrors, terminal, transient, TransientError } from '@cinelake/core'

export const busErrors = defineErrors({
  /**
   * A message that does not keep its contract: refused when sent, dead-lettered when received.
   * @param problems where it differs and what was expected there; no values, since nobody knows what they hold
   */
  MESSAGE_INVALID: terminal((contract: string, problems: readonly string[]) => [
    `message does not keep its contract [contract=${contract}]: ${problems.join('; ')}; bring sender and receiver to the same release`,
    { contract },
  ]),

  /** A message that no broker would take. Data belongs in the lake; a message only names it. */
  MESSAGE_TOO_LARGE: terminal((kind: string, sizeBytes: number, limitBytes: number) => [
    `message is too large [kind=${kind}]: expected at most ${limitBytes} bytes, got ${sizeBytes}; put the data in the lake and name it`,
    { kind, sizeBytes, limitBytes },
  ]),

  /** The broker does not take or hand out messages now. */
  BUS_UNAVAILABLE: transient((doing: string, reason: string) => [
    `message bus is unavailable [reason=${reason}]: could not ${doing}; it is tried again`,
    { reason },
  ]),

  /** A queue, the topic or a subscription is not there. Somebody has to make it; then the same message goes through. */
  BUS_ENTITY_MISSING: transient((entity: string, doing: string) => [
    `message bus has no such entity [entity=${entity}]: could not ${doing}; make what is missing with \`cinelake bus create\`, ` +
      'or check the name of the namespace and of the site',
    { entity },
  ]),

  /**
   * Nobody could be signed in, so that the broker was not even asked. What gives identities may be away, or not set up.
   * @param reason the name of what the sign-in came to
   */
  BUS_NO_IDENTITY: transient((doing: string, reason: string) => [
    `message bus needs an identity [reason=${reason}]: could not ${doing}, as nobody could be signed in; give this process a ` +
      'workload identity or managed identity on Azure, AZURE_TENANT_ID with AZURE_CLIENT_ID and a secret or certificate ' +
      'elsewhere, or set CINELAKE_BUS_CONNECTION_STRING',
    { reason },
  ]),

  /**
   * The namespace does not let this identity do that. A role takes some minutes to come into force.
   * @param role what the identity needs, as Azure calls it
   */
  BUS_FORBIDDEN: transient((entity: string, doing: string, role: string) => [
    `message bus refused the identity or key [entity=${entity}]: could not ${doing}; give the identity the role ` +
      `"${role}", or the key the right that goes with it, and wait some minutes for it to come into force`,
    { entity, role },
  ]),
})

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
