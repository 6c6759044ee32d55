import { mapping } from '@cinelake/config-text'
import { z } from 'zod'
import type { RestAuthKind } from './auth-kind.ts'

const text = mapping({ type: z.literal('none') })
const checked = z.object({ type: z.literal('none') })

/** Anybody may ask. */
export const none = {
  text,
  checked,
  read: (auth) => auth,
} as const satisfies RestAuthKind<z.infer<typeof text>, z.infer<typeof checked>>
