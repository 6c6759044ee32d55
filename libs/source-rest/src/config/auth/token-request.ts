import { filled, mayBeSecret, template, text } from '@cinelake/config-text'
import { z } from 'zod'

/** Further fields of a form, or claims. */
export const fields = (place: 'tokenField' | 'address') => z.record(text, mayBeSecret(z.string(), place)).optional()

/** What a request for a token has, as it stands in `pipeline.yaml`. */
export const tokenRequestText = {
  tokenUrl: mayBeSecret(text).describe('Address that gives tokens.'),
  scope: filled(text).optional(),
  audience: filled(text).optional(),
  parameters: fields('tokenField').describe('Further fields of the token request.'),
}

/** The same as it is frozen. */
export const tokenRequest = {
  tokenUrl: template,
  scope: template.optional(),
  audience: template.optional(),
  /** Further fields of the form. */
  parameters: z.record(z.string(), template).default({}),
}
