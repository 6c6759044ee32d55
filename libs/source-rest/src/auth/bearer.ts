import { mapping, secretText, template } from '@cinelake/config-text'
import { z } from 'zod'
import type { AuthKind } from './auth-kind.ts'

const text = mapping({ type: z.literal('bearer'), token: secretText })
const checked = z.object({ type: z.literal('bearer'), token: template })

/** A static token. */
export const bearer = {
  text,
  checked,
  read: (auth) => auth,
  proof: ({ token }) => ({ headers: { authorization: `Bearer ${token}` } }),
} as const satisfies AuthKind<z.infer<typeof text>, z.infer<typeof checked>>
