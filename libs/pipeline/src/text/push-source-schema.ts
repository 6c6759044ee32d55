import { z } from 'zod'
import { mapping } from './check-shape.ts'
import { commonDataset, nulls } from './dataset-schema.ts'
import { duration, size, tableName, text } from './schema-words.ts'
import { mayBeSecret, secretText } from './secrets.ts'

const entra = mapping({
  tenant: text.describe('The directory whose tokens are taken.'),
  audience: text.describe('What a token has to be for: `api://APPLICATION`, or the application ID.'),
  roles: z.array(text).min(1).optional().describe('Application roles of which a token has to have one.'),
  clients: z.array(text).min(1).optional().describe('Application IDs of the clients that may push.'),
  issuer: mayBeSecret(text).optional().describe("Issuer of the tokens. Default: the tenant's."),
  jwks: mayBeSecret(text)
    .optional()
    .describe("Address of the keys that tokens are signed with. Default: the tenant's."),
})

const pushDataset = mapping({
  read: mapping({ nulls }).optional(),
  ...commonDataset,
})

/** A source of type `push` as it stands in `pipeline.yaml`. */
export const pushSource = mapping({
  type: z.literal('push'),
  auth: mapping({
    keys: z
      .array(secretText)
      .min(1)
      .optional()
      .describe('API keys, each as `${secret:NAME}`; any of them opens, so that one can be changed after the other.'),
    entra: entra.optional().describe('Tokens of Microsoft Entra ID, or of another issuer of OpenID tokens.'),
  }),
  maxBody: size.optional().describe('The largest body, unpacked. Default: `1GB`.'),
  concurrency: z.int().min(1).optional().describe('Pushes that one instance takes at once. Default: 8.'),
  limits: z
    .array(mapping({ requests: z.int().min(1), per: duration }))
    .optional()
    .describe('Pushes that one instance takes in a time. Default: any number.'),
  datasets: z.record(tableName, pushDataset),
})

export type PushSourceText = z.infer<typeof pushSource>
export type PushDatasetText = z.infer<typeof pushDataset>
