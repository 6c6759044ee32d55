import type { TokenCredential } from '@azure/core-auth'
import { ConfigError, openByScheme } from '@cinelake/core'
import type { Settings } from './placeholders.ts'
import type { Secrets, SecretsSettings } from './secrets.ts'

type OpenSecretsDeps = {
  /** The environment, for secrets that are stored there. */
  readonly settings: Settings
  /** Provides this process's Azure identity; called when a secret is first looked up in a Key Vault. */
  readonly credential: () => Promise<TokenCredential>
}

/**
 * Opens the secret store at an address; the scheme selects the adapter.
 * @throws {ConfigError} terminal: unknown scheme, or an incomplete address
 */
export async function openSecrets(
  { url }: SecretsSettings,
  { settings, credential }: OpenSecretsDeps,
): Promise<Secrets> {
  // Loaded on demand: an embedded start needs none of Azure's libraries.
  const open = openByScheme<() => Promise<Secrets>>(
    url,
    {
      env: () => async () => (await import('./env.ts')).createEnvSecrets(settings),
      file: (directory) => async () => (await import('./file.ts')).createFileSecrets(required(directory)),
      https: () => async () => (await import('./key-vault.ts')).createKeyVaultSecrets({ url, credential }),
    },
    'CINELAKE_SECRETS',
  )
  return await open()
}

/** `file:` alone would mean the current directory of the process. */
function required(directory: string): string {
  if (directory !== '') return directory
  throw new ConfigError('CINELAKE_SECRETS cannot be used', ['expected file:DIR, got no directory'])
}
