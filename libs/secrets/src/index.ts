export {
  PlaceholderError,
  secretErrors,
  SecretMissingError,
  type SecretPlace,
  SecretsUnavailableError,
  SecretUnusableError,
} from './errors.ts'
export { guardSecrets, type GuardedSecrets } from './guard.ts'
export {
  createFill,
  placeholdersIn,
  type Fill,
  type FillOptions,
  type Placeholder,
  type Settings,
} from './placeholders.ts'
export { checkSecretName } from './secret-name.ts'
export { isBlank } from './secret-value.ts'
export { secretsEnv, secretsSettings, type SecretsSettings } from './secrets-settings.ts'
export type { Secrets } from './secrets.ts'
