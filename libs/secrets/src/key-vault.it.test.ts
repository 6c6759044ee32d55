import { DefaultAzureCredential } from '@azure/identity'
import { SecretClient } from '@azure/keyvault-secrets'
import { randomUUID } from 'node:crypto'
import { describe } from 'vitest'
import { createKeyVaultSecrets } from './key-vault.ts'
import { keyVaultName } from './secrets.ts'
import { secretsContract } from './contract/secrets-contract.ts'

const url = process.env['CINELAKE_TEST_KEY_VAULT'] ?? ''
const run = randomUUID()

/** A vault in Azure, and an identity that may also put secrets into it. */
async function givenVault() {
  const identity = new DefaultAzureCredential()
  const keeper = new SecretClient(url, identity)
  const names = new Set<string>()
  return {
    secrets: createKeyVaultSecrets({ url, credential: async () => identity }),
    async put(name: string, value: string) {
      names.add(keyVaultName(name))
      await keeper.setSecret(keyVaultName(name), value)
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...names].map((name) => keeper.beginDeleteSecret(name)))
    },
  }
}

describe.skipIf(url === '')('needs CINELAKE_TEST_KEY_VAULT, a vault in Azure', () => {
  secretsContract('Azure Key Vault', givenVault, (name) => `cinelake-test-${run}-${name}`)
})
