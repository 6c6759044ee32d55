import { mapping, secretText, template, text as anyText } from '@cinelake/config-text'
import { z } from 'zod'
import type { AuthKind } from './auth-kind.ts'

const DEFAULT_HEADER = 'X-API-Key'

const text = mapping({
  type: z.literal('apiKey'),
  key: secretText,
  header: anyText.optional().describe('Header that carries the key. Default: `X-API-Key`.'),
  parameter: anyText.optional().describe('Query parameter that carries the key, in place of a header.'),
})
const checked = z.object({
  type: z.literal('apiKey'),
  key: template,
  in: z.enum(['header', 'query']),
  name: z.string(),
})

/** A key in a header or a query parameter. */
export const apiKey = {
  text,
  checked,
  read({ key, header, parameter }, { text, path, problems }) {
    if (header !== undefined && parameter !== undefined) {
      problems.error(
        text.at(path),
        'the key goes both into a header and into a query parameter',
        'say `header` or `parameter`',
      )
    }
    return parameter === undefined
      ? { type: 'apiKey', key, in: 'header', name: header ?? DEFAULT_HEADER }
      : { type: 'apiKey', key, in: 'query', name: parameter }
  },
  proof: (auth) =>
    auth.in === 'header' ? { headers: { [auth.name]: auth.key } } : { headers: {}, parameter: [auth.name, auth.key] },
} as const satisfies AuthKind<z.infer<typeof text>, z.infer<typeof checked>>
