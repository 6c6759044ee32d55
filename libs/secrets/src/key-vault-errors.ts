import { isRestError, type RestError } from '@azure/keyvault-secrets'
import { PipelineError } from '@cinelake/core'
import { z } from 'zod'
import {
  secretErrors,
  SecretMissingError,
  SecretsUnavailableError,
  SecretUnusableError,
  type SecretPlace,
} from './errors.ts'

/** The secret that an error is about: its name in the pipeline's text, in the vault, and the vault's host. */
export type KeyVaultPlace = { readonly secret: string; readonly nameThere: string; readonly vault: string }

const ROLE =
  'give this identity the role Key Vault Secrets User on the vault (a new assignment takes effect after some minutes)'
const NETWORK = "let this machine's network in at the vault's firewall, or reach it by a private endpoint"
const IDENTITY =
  'give this process an identity: a workload identity or managed identity on Azure, AZURE_TENANT_ID with AZURE_CLIENT_ID and a secret or certificate elsewhere, `az login` at a desk'
const LATER = 'the next attempt asks again; check that the vault has this name and that this machine may reach it'

/**
 * The vault's error codes, in addition to the status. Source:
 * learn.microsoft.com/azure/key-vault/general/common-error-codes
 */
const Details = z.object({ error: z.object({ innerError: z.object({ code: z.string() }) }) })

/** Errors of `@azure/identity`, by name: the library is loaded only where Azure is used. */
const NO_IDENTITY = new Set([
  'CredentialUnavailableError',
  'AggregateAuthenticationError',
  'AuthenticationRequiredError',
  'AuthenticationError',
])

/** Translates the SDK's errors. */
export function translateKeyVaultError(error: unknown, { secret, nameThere, vault }: KeyVaultPlace): unknown {
  if (error instanceof PipelineError) return error
  const place: SecretPlace = { secret, place: `${vault} as ${nameThere}` }
  if (isRestError(error)) return fromVault(error, place)
  const { name, statusCode, message } = describe(error)
  if (NO_IDENTITY.has(name) && !isPassing(statusCode)) {
    return secretErrors.SECRETS_FORBIDDEN(place, 'no identity', IDENTITY, { cause: error })
  }
  const reason = name === 'AbortError' || name === 'TimeoutError' ? 'no answer in time' : message
  return new SecretsUnavailableError(place, reason, LATER, { cause: error })
}

function fromVault(error: RestError, place: SecretPlace): Error {
  const { statusCode: status, code = 'no connection' } = error
  const cause = { cause: error }
  if (status === undefined) return new SecretsUnavailableError(place, code, LATER, cause)
  // Without a cause: the SDK's error about an unreadable answer quotes the answer, and with it the secret.
  if (status < 300) return new SecretsUnavailableError(place, 'an answer that is no JSON', LATER)
  if (status === 404) return new SecretMissingError(place.secret, [place.place], cause)
  if (isPassing(status)) return new SecretsUnavailableError(place, `status ${status}`, LATER, cause)
  const inner = Details.safeParse(error.details).data?.error.innerError.code
  if (inner === 'SecretDisabled') return new SecretUnusableError(place, 'disabled', cause)
  const remedy = inner === 'ForbiddenByFirewall' || inner === 'ForbiddenByConnection' ? NETWORK : ROLE
  return secretErrors.SECRETS_FORBIDDEN(place, inner ?? `status ${status}`, remedy, cause)
}

function isPassing(status: number | undefined): boolean {
  return status !== undefined && (status === 408 || status === 429 || status >= 500)
}

function describe(error: unknown): { readonly name: string; readonly message: string; readonly statusCode?: number } {
  if (!(error instanceof Error)) return { name: '', message: 'an unknown error' }
  const { name, message } = error
  return 'statusCode' in error && typeof error.statusCode === 'number'
    ? { name, message, statusCode: error.statusCode }
    : { name, message }
}
