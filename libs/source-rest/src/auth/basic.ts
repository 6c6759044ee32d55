import { mapping, mayBeSecret, secretText, template, text as anyText } from '@cinelake/config-text'
import { z } from 'zod'
import type { AuthKind } from './auth-kind.ts'

const text = mapping({ type: z.literal('basic'), username: mayBeSecret(anyText), password: secretText })
const checked = z.object({ type: z.literal('basic'), username: template, password: template })

/** User and password (RFC 7617). */
export const basic = {
  text,
  checked,
  read: (auth) => auth,
  proof: ({ username, password }) => ({ headers: { authorization: basicHeader(username, password) } }),
} as const satisfies AuthKind<z.infer<typeof text>, z.infer<typeof checked>>

/** The value of an Authorization header of the scheme `Basic` (RFC 7617). */
export const basicHeader = (user: string, password: string) =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
