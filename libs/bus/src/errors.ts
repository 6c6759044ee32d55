import { defineErrors, terminal, transient, TransientError } from '@cinelake/core'

export const busErrors = defineErrors({
  /**
   * A message that violates its contract: rejected when sent, dead-lettered when received.
   * @param problems the fields that differ and the expected types; no values, since they may be sensitive
   */
  MESSAGE_INVALID: terminal((contract: string, problems: readonly string[]) => [
    `message does not keep its contract [contract=${contract}]: ${problems.join('; ')}; bring sender and receiver to the same release`,
    { contract },
  ]),

  /** A message that exceeds the broker's size limit. Data belongs in the lake; a message only names it. */
  MESSAGE_TOO_LARGE: terminal((kind: string, sizeBytes: number, limitBytes: number) => [
    `message is too large [kind=${kind}]: expected at most ${limitBytes} bytes, got ${sizeBytes}; put the data in the lake and name it`,
    { kind, sizeBytes, limitBytes },
  ]),

  /** The broker is temporarily unavailable. */
  BUS_UNAVAILABLE: transient((doing: string, reason: string) => [
    `message bus is unavailable [reason=${reason}]: could not ${doing}; it is tried again`,
    { reason },
  ]),

  /**
   * A queue, the topic or a subscription does not exist. Once an operator has created it, the same message succeeds.
   */
  BUS_ENTITY_MISSING: transient((entity: string, doing: string) => [
    `message bus has no such entity [entity=${entity}]: could not ${doing}; make what is missing with \`cinelake bus create\`, ` +
      'or check the name of the namespace and of the site',
    { entity },
  ]),

  /**
   * Authentication failed before the broker was asked. The identity provider may be unavailable, or not configured.
   * @param reason the name of the authentication error
   */
  BUS_NO_IDENTITY: transient((doing: string, reason: string) => [
    `message bus needs an identity [reason=${reason}]: could not ${doing}, as no identity could be signed in; give this process a ` +
      'workload identity or managed identity on Azure, AZURE_TENANT_ID with AZURE_CLIENT_ID and a secret or certificate ' +
      'elsewhere, or set CINELAKE_BUS_CONNECTION_STRING',
    { reason },
  ]),

  /**
   * The namespace denies this operation to this identity. A role assignment takes some minutes to take effect.
   * @param role the missing role, by Azure's name
   */
  BUS_FORBIDDEN: transient((entity: string, doing: string, role: string) => [
    `message bus refused the identity or key [entity=${entity}]: could not ${doing}; give the identity the role ` +
      `"${role}", or the key the right that goes with it, and wait some minutes for it to come into force`,
    { entity, role },
  ]),
})

/** The lock on a message expired during the work: another worker may have received it already. */
export class LockLostError extends TransientError {
  readonly code = 'BUS_LOCK_LOST'

  constructor(entity: string, deliveryCount: number) {
    super(
      `lock on a message was lost [entity=${entity}, deliveryCount=${deliveryCount}]: expected it to be renewed in time; another worker continues with it`,
      { entity, deliveryCount },
    )
  }
}
