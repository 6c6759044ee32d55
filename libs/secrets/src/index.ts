export {
  PlaceholderError,
  secretErrors,
  SecretMissingError,
  SecretsUnavailableError,
  SecretUnusableError,
} from './errors.ts'
export {
  type GuardedSecrets,
  guardSecrets,
  isBlank,
  type Secrets,
  secretsEnv,
  type SecretsSettings,
  secretsSettings,
} from './secrets.ts'
export { createFill, type Fill, type Placeholder, placeholdersIn } from './placeholders.ts'
