export { PlaceholderError, SecretMissingError, SecretNameError, SecretsUnavailableError } from './errors.ts'
export { guardSecrets, REDACTED, type GuardedSecrets } from './guard.ts'
export {
  createFill,
  placeholdersIn,
  type Fill,
  type FillOptions,
  type Placeholder,
  type Settings,
} from './placeholders.ts'
export { checkSecretName } from './secret-name.ts'
export type { Secrets } from './secrets.ts'
