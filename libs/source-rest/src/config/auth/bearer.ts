import { mapping, secretText, template } from '@cinelake/config-text'
import { secretOf, secretsIn } from '@cinelake/source-kind'
import { z } from 'zod'
import { secretQuestion, type RestAuthKind } from './auth-kind.ts'

const text = mapping({ type: z.literal('bearer'), token: secretText })
const checked = z.object({ type: z.literal('bearer'), token: template })

/** A token that stays. */
export const bearer = {
  text,
  checked,
  read: (auth) => auth,
  asks: {
    questions: [secretQuestion],
    written: (answers) => ({ token: secretOf(answers) }),
    answers: ({ token }) => ({ secret: secretsIn(token) }),
  },
} as const satisfies RestAuthKind<z.infer<typeof text>, z.infer<typeof checked>>
