import { filled, mapping, template, text as anyText } from '@cinelake/config-text'
import { z } from 'zod'
import type { RestAuthKind } from './auth-kind.ts'

const text = mapping({
  type: z.literal('azure'),
  scope: filled(anyText).describe('`api://APPLICATION/.default`'),
})
const checked = z.object({ type: z.literal('azure'), scope: template })

/** The identity that Azure gives the process. */
export const azure = { text, checked, read: (auth) => auth } as const satisfies RestAuthKind<
  z.infer<typeof text>,
  z.infer<typeof checked>
>
