export {
  PlaceholderError,
  secretErrors,
  SecretMissingError,
  type SecretPlace,
  SecretsUnavailableError,
  SecretUnusableError,
} from './errors.ts'
export {
  type GuardedSecrets,
  type Secrets,
  type SecretsSettings,
  checkSecretName,
  guardSecrets,
  isBlank,
  secretsEnv,
  secretsSettings,
} from './secrets.ts'
export {
  createFill,
  placeholdersIn,
  type Fill,
  type FillOptions,
  type Placeholder,
  type Settings,
} from './placeholders.ts'
