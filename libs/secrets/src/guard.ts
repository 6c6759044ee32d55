import { createRedactor } from '@cinelake/core'
import type { Secrets } from './secrets.ts'

/** Secrets that remember the values that they returned, so that those never get printed. */
export interface GuardedSecrets extends Secrets {
  /** The text with every returned value replaced, also where it is percent-encoded, JSON-escaped or in Base64. */
  readonly redact: (text: string) => string
}

/** Wraps any secret store. Values from before a rotation stay redacted. */
export function guardSecrets(secrets: Secrets): GuardedSecrets {
  const { add, redact } = createRedactor()
  return {
    async get(name, options) {
      const value = await secrets.get(name, options)
      add(value)
      return value
    },
    has: (name) => secrets.has(name),
    redact,
    [Symbol.asyncDispose]: () => secrets[Symbol.asyncDispose](),
  }
}
