import type { TokenCredential } from '@azure/core-auth'
import {
  isRestError,
  type KeyVaultSecret,
  type RestError,
  SecretClient,
  type SecretClientOptions,
} from '@azure/keyvault-secrets'
import { type Clock, ConfigError, PipelineError, systemClock } from '@cinelake/core'
import { z } from 'zod'
import {
  secretErrors,
  SecretMissingError,
  type SecretPlace,
  SecretsUnavailableError,
  SecretUnusableError,
} from './errors.ts'
import { isThere, keyVaultName, secretIn, type Secrets } from './secrets.ts'

/**
 * Milliseconds that a secret is cached. Long enough to stay far below the vault's limit of 4,000 requests in 10
 * seconds, short enough that a revoked secret expires soon. A rejected one is looked up at once (`refresh`).
 * Source: learn.microsoft.com/azure/key-vault/general/service-limits
 */
const HOLD_MS = 5 * 60_000

/** Milliseconds for one look-up, retries included. */
const LOOK_UP_TIMEOUT_MS = 60_000

/** Retries of a request that failed temporarily (429, 5xx) or was lost. The task's own retries come later. */
const RETRIES = { maxRetries: 3, retryDelayInMs: 500, maxRetryDelayInMs: 8_000 } as const

export type KeyVaultOptions = {
  /** `https://VAULT.vault.azure.net` */
  readonly url: string
  /** Provides the identity; called when the first secret is looked up. */
  readonly credential: () => Promise<TokenCredential>
  readonly clock?: Clock
  /** For vaults that are not Azure's own: certificates to trust, repetitions. */
  readonly client?: SecretClientOptions
}

type Held = { readonly value: string; readonly untilMs: number }

/**
 * Secrets of an Azure Key Vault, the newest version of each. Looked up on first use, cached for minutes, and looked up
 * again on demand. Concurrent requests for one secret share one look-up.
 *
 * @throws {ConfigError} terminal: the address is not that of a vault
 */
export function createKeyVaultSecrets({ url, credential, clock = systemClock, client }: KeyVaultOptions): Secrets {
  const vault = vaultAddress(url)
  const held = new Map<string, Held>()
  const underWay = new Map<string, Promise<Held>>()
  const connect = async () => new SecretClient(vault.origin, await credential(), { retryOptions: RETRIES, ...client })
  let connected: SecretClient | undefined

  const lookUp = async (name: string, nameThere: string): Promise<Held> => {
    const place = { secret: name, nameThere, vault: vault.host }
    const abortSignal = AbortSignal.timeout(LOOK_UP_TIMEOUT_MS)
    try {
      connected ??= await connect()
      return heldOf(await connected.getSecret(nameThere, { abortSignal }), place, clock())
    } catch (error) {
      throw translateKeyVaultError(error, place)
    }
  }
  const shared = (name: string, nameThere: string): Promise<Held> => {
    const key = nameThere.toLowerCase()
    const running = underWay.get(key)
    if (running !== undefined) return running
    const started = lookUp(name, nameThere)
      .then((found) => (held.set(key, found), found))
      .finally(() => underWay.delete(key))
    underWay.set(key, started)
    return started
  }
  const get: Secrets['get'] = async (name, { refresh = false } = {}) => {
    const nameThere = keyVaultName(name)
    const known = held.get(nameThere.toLowerCase())
    if (!refresh && known !== undefined && clock().getTime() < known.untilMs) return known.value
    return (await shared(name, nameThere)).value
  }
  return { get, has: (name) => isThere(get(name)), async [Symbol.asyncDispose]() {} }
}

function vaultAddress(text: string): URL {
  const url = URL.parse(text)
  if (url?.protocol === 'https:' && url.pathname === '/' && url.username === '' && url.search === '') return url
  throw new ConfigError('CINELAKE_SECRETS cannot be used', [
    'expected the address of a Key Vault as https://VAULT.vault.azure.net, got another address',
  ])
}

/** Key Vault returns a secret whatever its validity dates say; they are enforced here. */
function heldOf(
  { value = '', properties }: KeyVaultSecret,
  { secret, nameThere, vault }: KeyVaultPlace,
  now: Date,
): Held {
  const { notBefore, expiresOn } = properties
  const place = { secret, place: `${vault} as ${nameThere}` }
  if (expiresOn !== undefined && expiresOn <= now) {
    throw new SecretUnusableError(place, `expired at ${expiresOn.toISOString()}`)
  }
  if (notBefore !== undefined && notBefore > now) {
    throw new SecretUnusableError(place, `not valid before ${notBefore.toISOString()}`)
  }
  const clean = secretIn(value)
  if (clean === '') throw new SecretMissingError(secret, [place.place])
  return { value: clean, untilMs: Math.min(now.getTime() + HOLD_MS, expiresOn?.getTime() ?? Infinity) }
}

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
  const { name, statusCode, message } = describeVaultError(error)
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

function describeVaultError(error: unknown): {
  readonly name: string
  readonly message: string
  readonly statusCode?: number
} {
  if (!(error instanceof Error)) return { name: '', message: 'an unknown error' }
  const { name, message } = error
  return 'statusCode' in error && typeof error.statusCode === 'number'
    ? { name, message, statusCode: error.statusCode }
    : { name, message }
}
