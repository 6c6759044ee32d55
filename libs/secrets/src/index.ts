export {
  PlaceholderError,
  secretErrors,
  SecretMissingError,
  SecretsUnavailableError,
  SecretUnusableError,
} from './errors.ts'
export {
  type GuardedSecrets,
  type Secrets,
  type SecretsSettings,
  guardSecrets,
  isBlank,
  secretsEnv,
  secretsSettings,
} from './secrets.ts'
export { createFill, placeholdersIn, type Fill, type Placeholder } from './placeholders.ts'
