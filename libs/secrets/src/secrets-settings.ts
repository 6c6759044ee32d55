import { z } from 'zod'

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
