import { secretErrors } from './errors.ts'
import { checkSecretName } from './secret-name.ts'

/** Characters. Source: learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates */
const MAX_LENGTH = 127

/**
 * A secret's name in Key Vault's form: letters, digits and `-`. `CRM_TOKEN` and `crm.token` become `CRM-TOKEN` and
 * `crm-token`; Key Vault names are case-insensitive.
 * @throws {SECRET_NAME_INVALID} terminal
 */
export function keyVaultName(name: string): string {
  checkSecretName(name)
  if (name.length > MAX_LENGTH)
    throw secretErrors.SECRET_NAME_INVALID(name, `at most ${MAX_LENGTH} characters, as Key Vault wants it`)
  return name.replaceAll(/[._]/g, '-')
}
