import type { AzureCredential } from './database.ts'

/** For addresses with a user: nothing is asked of Entra. */
export const noCredential: AzureCredential = async () => {
  throw new Error('no token was to be asked for')
}
