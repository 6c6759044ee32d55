import type { TokenCredential } from '@azure/core-auth'

/**
 * Who this process is to Azure. Called only where a setting brings no connection string, SAS or password of its own.
 * Port libraries, which may not import this one, say the same type themselves: `() => Promise<TokenCredential>`.
 */
export type AzureCredential = () => Promise<TokenCredential>

let held: Promise<TokenCredential> | undefined

/**
 * The identity that Azure gives this process: workload identity on AKS, a managed identity, a client secret or certificate
 * of the environment, or who is logged in with `az`. One for the whole process, so that all clients share its tokens.
 */
export const azureCredential: AzureCredential = () => (held ??= createCredential())

async function createCredential(): Promise<TokenCredential> {
  // Loaded when it is first needed: it is large, and an embedded start needs none of it.
  const { DefaultAzureCredential } = await import('@azure/identity')
  return new DefaultAzureCredential()
}
