import type { Secrets } from './secrets.ts'

/** Characters. Anything shorter would blot out ordinary words, and protects nothing. */
const MIN_LENGTH = 4

/** What is printed in the place of a secret. */
export const REDACTED = '[secret]'

/** Secrets that remember what they handed out, so that it never gets printed. */
export interface GuardedSecrets extends Secrets {
  /** The text with every value that was handed out replaced, also where it is percent-encoded, JSON-escaped or Base64. */
  redact(text: string): string
}

/** Puts a guard around any store of secrets. What a secret was before it was rotated stays guarded. */
export function guardSecrets(secrets: Secrets): GuardedSecrets {
  /** Longest first: a secret may be part of another. */
  let guarded: readonly string[] = []

  const remember = (value: string) => {
    const spellings = spellingsOf(value).filter((spelling) => spelling.length >= MIN_LENGTH)
    guarded = [...new Set([...guarded, ...spellings])].sort((a, b) => b.length - a.length)
  }

  return {
    async get(name, options) {
      const value = await secrets.get(name, options)
      if (!guarded.includes(value)) remember(value)
      return value
    },
    has: (name) => secrets.has(name),
    redact: (text) => guarded.reduce((clean, value) => clean.replaceAll(value, REDACTED), text),
    [Symbol.asyncDispose]: () => secrets[Symbol.asyncDispose](),
  }
}

function spellingsOf(value: string): string[] {
  return [
    value,
    encodeURIComponent(value),
    // As forms and query parameters write it: another set of characters, and `+` for a blank.
    new URLSearchParams({ '': value }).toString().slice(1),
    JSON.stringify(value).slice(1, -1),
    Buffer.from(value).toString('base64'),
    Buffer.from(value).toString('base64url'),
  ]
}
