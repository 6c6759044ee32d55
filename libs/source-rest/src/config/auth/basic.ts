import { mapping, mayBeSecret, secretText, template, text as anyText } from '@cinelake/config-text'
import { z } from 'zod'
import type { RestAuthKind } from './auth-kind.ts'

const text = mapping({ type: z.literal('basic'), username: mayBeSecret(anyText), password: secretText })
const checked = z.object({ type: z.literal('basic'), username: template, password: template })

/** User and password (RFC 7617). */
export const basic = {
  text,
  checked,
  read: (auth) => auth,
} as const satisfies RestAuthKind<z.infer<typeof text>, z.infer<typeof checked>>
