import type { TokenCredential } from '@azure/core-auth'

/**
 * This process's Azure identity. Called only where a setting has no connection string, SAS or password of its own.
 * Port libraries, which may not import this one, declare the same type: `() => Promise<TokenCredential>`.
 */
export type AzureCredential = () => Promise<TokenCredential>

let held: Promise<TokenCredential> | undefined

/**
 * The identity that Azure gives this process: workload identity on AKS, a managed identity, a client secret or
 * certificate of the environment, or the `az` login. One for the whole process, so that all clients share its tokens.
 */
export const azureCredential: AzureCredential = () => (held ??= createCredential())

async function createCredential(): Promise<TokenCredential> {
  // Loaded on first use: it is large, and an embedded start needs none of it.
  const { DefaultAzureCredential } = await import('@azure/identity')
  return new DefaultAzureCredential()
}
