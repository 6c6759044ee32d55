import type { TokenCredential } from '@azure/core-auth'
import { SecretClient, type KeyVaultSecret, type SecretClientOptions } from '@azure/keyvault-secrets'
import { ConfigError, systemClock, type Clock } from '@cinelake/core'
import { SecretMissingError, SecretUnusableError } from './errors.ts'
import { translateKeyVaultError, type KeyVaultPlace } from './key-vault-errors.ts'
import { keyVaultName } from './key-vault-name.ts'
import { isThere, secretIn } from './secret-value.ts'
import type { Secrets } from './secrets.ts'

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
