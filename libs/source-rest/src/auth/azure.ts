import type { RestAuth } from '../config/index.ts'
import type { AuthKind } from './auth-kind.ts'
import { RestTokenRefusedError } from './errors.ts'

/** The identity that the process has on Azure. */
export const azure: AuthKind<Extract<RestAuth, { type: 'azure' }>> = {
  async token({ scope }, { source, azure: openIdentity, hide, signal }) {
    const identity = await openIdentity?.()
    if (identity === undefined) throw new RestTokenRefusedError(source, 'Azure', 'no Azure identity in this process')
    try {
      const token = await identity.getToken(scope, { abortSignal: signal })
      if (token === null) throw new RestTokenRefusedError(source, 'Azure', 'none')
      hide(token.token)
      return { value: token.token, expiresAt: token.expiresOnTimestamp }
    } catch (error) {
      if (signal.aborted || error instanceof RestTokenRefusedError) throw error
      const name = error instanceof Error ? error.name : 'something else'
      throw new RestTokenRefusedError(source, 'Azure', name, { cause: error })
    }
  },
}
