import { z } from 'zod'
import { template } from './template.ts'

/** What a token has to be like. */
export const PushTokens = z.object({
  /** Any of them. */
  issuers: z.array(template).min(1),
  audience: template,
  /** Address of the keys that tokens are signed with. */
  jwks: template,
  /** One of these has to be among its roles; empty for any. */
  roles: z.array(z.string()),
  /** One of these has to have asked for it; empty for any. */
  clients: z.array(z.string()),
})
export type PushTokens = z.infer<typeof PushTokens>

export const PushDataset = z.object({ name: z.string() })
export type PushDataset = z.infer<typeof PushDataset>

/** What others send to `POST /v1/datasets/<source>/<dataset>`. */
export const PushSource = z.object({
  type: z.literal('push'),
  name: z.string(),
  /** `${secret:NAME}` each; any of them opens. */
  keys: z.array(template),
  tokens: PushTokens.optional(),
  /** Bytes of one push, unpacked. */
  maxBodyBytes: z.int().positive(),
  /** Pushes at once, per instance. */
  concurrency: z.int().positive(),
  /** Pushes in a time, per instance; all of them hold. */
  limits: z.array(z.object({ requests: z.int().positive(), periodMs: z.int().positive() })),
  datasets: z.array(PushDataset),
})
export type PushSource = z.infer<typeof PushSource>
