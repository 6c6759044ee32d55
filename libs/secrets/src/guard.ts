import { createRedactor } from '@cinelake/core'
import type { Secrets } from './secrets.ts'

/** Secrets that remember what they handed out, so that it never gets printed. */
export interface GuardedSecrets extends Secrets {
  /** The text with every value that was handed out replaced, also where it is percent-encoded, JSON-escaped or in Base64. */
  readonly redact: (text: string) => string
}

/** Puts a guard around any store of secrets. What a secret was before it was rotated stays guarded. */
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
