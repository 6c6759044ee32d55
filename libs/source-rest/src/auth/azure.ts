import { filled, mapping, template, text as anyText } from '@cinelake/config-text'
import { z } from 'zod'
import { RestTokenRefusedError } from './errors.ts'
import type { AuthKind } from './auth-kind.ts'

const text = mapping({
  type: z.literal('azure'),
  scope: filled(anyText).describe('`api://APPLICATION/.default`'),
})
const checked = z.object({ type: z.literal('azure'), scope: template })

/** The managed identity of the process. */
export const azure = {
  text,
  checked,
  read: (auth) => auth,
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
} as const satisfies AuthKind<z.infer<typeof text>, z.infer<typeof checked>>
