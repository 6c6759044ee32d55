import { createRedactor } from '@cinelake/core'
import { z } from 'zod'
import { secretErrors, SecretMissingError, SecretUnusableError } from './errors.ts'

/** Looks secrets up by name. Values are fetched late, cached briefly and never logged. */
export interface Secrets extends AsyncDisposable {
  /**
   * The value, without a line break at its end. An empty or blank one counts as none.
   * @throws {SecretMissingError} terminal: names the secret and where it was looked up, never a value
   * @throws {SecretUnusableError} terminal: it exists but is disabled or expired
   * @throws {SECRETS_FORBIDDEN} terminal: this process may not read it
   * @throws {SecretsUnavailableError} transient
   */
  get(
    name: string,
    options?: { /** Look it up again: the cached value was rejected. */ readonly refresh?: boolean },
  ): Promise<string>
  /** Whether it exists and may be used; no part of it gets into a message or a log. */
  has(name: string): Promise<boolean>
}

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

/** Where secrets are looked up. */
export type SecretsSettings = {
  /** `env:`, `file:DIR` or `https://VAULT.vault.azure.net` */
  readonly url: string
}

/** The settings of the secrets, for the schema of a service's environment. */
export const secretsEnv = { CINELAKE_SECRETS: z.string().default('env:') }

export function secretsSettings({ CINELAKE_SECRETS: url }: { readonly CINELAKE_SECRETS: string }): SecretsSettings {
  return { url }
}

/** Rejects names that could escape the store (path traversal). @throws {SECRET_NAME_INVALID} */
export function checkSecretName(name: string): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) throw secretErrors.SECRET_NAME_INVALID(name)
}

/**
 * The value in a text as stored: files and pasted texts end with a line break that is not part of the value.
 * @returns an empty text where there are only invisible characters: such a secret counts as missing
 */
export function secretIn(text: string): string {
  return isBlank(text) ? '' : text.replace(/\r?\n$/, '')
}

/**
 * Whether a text has no visible character: only white space of any script, line breaks, control characters, and
 * characters that Unicode defines as invisible. Code that trims it later, for a header or a comparison, must not get an
 * empty text.
 */
export function isBlank(text: string): boolean {
  return /^[\s\p{Z}\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u{2800}]*$/u.test(text)
}

/** Whether a look-up finds a secret. A store that cannot be reached remains an error. */
export async function isThere(lookUp: Promise<string>): Promise<boolean> {
  try {
    await lookUp
    return true
  } catch (error) {
    if (error instanceof SecretMissingError || error instanceof SecretUnusableError) return false
    throw error
  }
}

/** Characters. Source: learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates */
const MAX_LENGTH = 127

/**
 * A secret's name in Key Vault's form: letters, digits and `-`. `CRM_TOKEN` and `crm.token` become `CRM-TOKEN` and
 * `crm-token`; Key Vault names are case-insensitive.
 * @throws {SECRET_NAME_INVALID} terminal
 */
export function keyVaultName(name: string): string {
  checkSecretName(name)
  if (name.length > MAX_LENGTH)
    throw secretErrors.SECRET_NAME_INVALID(name, `at most ${MAX_LENGTH} characters, as Key Vault wants it`)
  return name.replaceAll(/[._]/g, '-')
}
