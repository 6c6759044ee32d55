import { mapping, mayBeSecret, secretText, template, text as anyText } from '@cinelake/config-text'
import { secretOf, secretsIn, textsOf } from '@cinelake/source-kind'
import { z } from 'zod'
import { secretQuestion, type RestAuthKind } from './auth-kind.ts'

const text = mapping({ type: z.literal('basic'), username: mayBeSecret(anyText), password: secretText })
const checked = z.object({ type: z.literal('basic'), username: template, password: template })

/** User and password (RFC 7617). */
export const basic = {
  text,
  checked,
  read: (auth) => auth,
  asks: {
    questions: [{ flag: 'username', value: '<name>', ask: 'With which user name?', ofSource: true }, secretQuestion],
    written: (answers) => ({ username: answers['username'], password: secretOf(answers) }),
    answers: ({ username, password }) => ({ username: textsOf(username), secret: secretsIn(password) }),
  },
} as const satisfies RestAuthKind<z.infer<typeof text>, z.infer<typeof checked>>
