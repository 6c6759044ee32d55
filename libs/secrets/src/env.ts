import { SecretMissingError } from './errors.ts'
import type { Settings } from './placeholders.ts'
import { checkSecretName, secretIn, type Secrets } from './secrets.ts'

/** Distinguishes secrets from other settings. */
const PREFIX = 'CINELAKE_SECRET_'

/**
 * Secrets from the environment: `CINELAKE_SECRET_<NAME>`, or the bare name. A name that is not valid in shells is also
 * looked up in its shell form: `crm-token` as `CRM_TOKEN`. An empty or blank value counts as none.
 */
export function createEnvSecrets(settings: Settings): Secrets {
  const find = (name: string) => placesOf(name).find((place) => secretIn(settings[place] ?? '') !== '')
  return {
    async get(name) {
      checkSecretName(name)
      const value = secretIn(settings[find(name) ?? ''] ?? '')
      if (value === '')
        throw new SecretMissingError(
          name,
          placesOf(name).map((place) => `the environment variable ${place}`),
        )
      return value
    },
    async has(name) {
      checkSecretName(name)
      return find(name) !== undefined
    },
    async [Symbol.asyncDispose]() {},
  }
}

function placesOf(name: string): string[] {
  const shellName = name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')
  return [...new Set([`${PREFIX}${name}`, name, `${PREFIX}${shellName}`, shellName])]
}
