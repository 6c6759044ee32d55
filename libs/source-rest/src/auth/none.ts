import { mapping } from '@cinelake/config-text'
import { z } from 'zod'
import type { AuthKind } from './auth-kind.ts'

const text = mapping({ type: z.literal('none') })
const checked = z.object({ type: z.literal('none') })

/** No authentication. */
export const none = {
  text,
  checked,
  read: (auth) => auth,
} as const satisfies AuthKind<z.infer<typeof text>, z.infer<typeof checked>>
