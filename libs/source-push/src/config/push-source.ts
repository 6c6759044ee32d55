import { checkHttpUrl, commonDataset, nulls, type SourceConfig, type SourcePlace } from '@cinelake/source-kind'
import {
  AS_SECRET,
  duration,
  durationMs,
  filled,
  mapping,
  mayBeSecret,
  secretText,
  size,
  sizeBytes,
  tableName,
  template,
  text,
} from '@cinelake/config-text'
import { z } from 'zod'

/** The conditions for a token. */
export const PushTokens = z.object({
  /** One of these has to be its audience. */
  issuers: z.array(template).min(1),
  audience: template,
  /** Address of the keys that tokens are signed with. */
  jwks: template,
  /** One of these has to be among its roles; empty: any role. */
  roles: z.array(z.string()),
  /** One of these clients has to have requested it; empty: any client. */
  clients: z.array(z.string()),
})
export type PushTokens = z.infer<typeof PushTokens>

export const PushDataset = z.object({ name: z.string() })
export type PushDataset = z.infer<typeof PushDataset>

/** Data that clients send to `POST /v1/datasets/<source>/<dataset>`. */
export const PushSource = z.object({
  type: z.literal('push'),
  name: z.string(),
  /** `${secret:NAME}` each; any of them is accepted. */
  keys: z.array(template),
  tokens: PushTokens.optional(),
  /** Bytes of one push, decompressed. */
  maxBodyBytes: z.int().positive(),
  /** Concurrent pushes, per instance. */
  concurrency: z.int().positive(),
  /** Pushes per period, per instance; all limits apply. */
  limits: z.array(z.object({ requests: z.int().positive(), periodMs: z.int().positive() })),
  datasets: z.array(PushDataset),
})
export type PushSource = z.infer<typeof PushSource>

const entra = mapping({
  tenant: filled(text).describe('The directory whose tokens are taken.'),
  audience: filled(text).describe('What a token has to be for: `api://APPLICATION`, or the application ID.'),
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

/** A source of type `push` in `pipeline.yaml`. */
const PushSourceText = mapping({
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

type PushSourceText = z.infer<typeof PushSourceText>

/** Bytes. A day's events of a large shop as JSON; larger files should be dropped into a folder. */
const DEFAULT_MAX_BODY_BYTES = 1_000_000_000
const DEFAULT_CONCURRENCY = 8

function readPushSource(name: string, source: PushSourceText, place: SourcePlace): PushSource {
  const { text, path, problems } = place
  const { keys = [], entra } = source.auth
  if (keys.length === 0 && entra === undefined) {
    problems.error(
      text.at([...path, 'auth']),
      'anybody could push to this source',
      "say who may: `keys: ['${secret:NAME}']`, `entra: { tenant: …, audience: … }`, or both",
    )
  }
  for (const [index, key] of keys.entries()) {
    if (/^\$\{secret:[^}]*\}$/.test(key)) continue
    problems.error(text.at([...path, 'auth', 'keys', index]), 'the key is not kept as a secret', AS_SECRET)
  }
  const tokens = entra === undefined ? {} : { tokens: readTokens(entra, place) }
  return {
    type: 'push',
    name,
    keys,
    ...tokens,
    maxBodyBytes: source.maxBody === undefined ? DEFAULT_MAX_BODY_BYTES : Math.max(1, sizeBytes(source.maxBody)),
    concurrency: source.concurrency ?? DEFAULT_CONCURRENCY,
    limits: (source.limits ?? []).map(({ requests, per }) => ({ requests, periodMs: Math.max(1, durationMs(per)) })),
    datasets: Object.keys(source.datasets).map((dataset) => ({ name: dataset })),
  }
}

function readTokens(entra: NonNullable<PushSourceText['auth']['entra']>, place: SourcePlace): PushTokens {
  const { tenant, audience, roles = [], clients = [], issuer, jwks } = entra
  const at = (key: string): SourcePlace => ({ ...place, path: [...place.path, 'auth', 'entra', key] })
  if (roles.length === 0 && clients.length === 0) {
    place.problems.error(
      place.text.at([...place.path, 'auth', 'entra']),
      'every application of the tenant could push: each can get a token for the audience',
      'name the `roles` or the `clients` that may',
    )
  }
  if (issuer !== undefined) checkHttpUrl(issuer, at('issuer'))
  if (jwks !== undefined) checkJwks(jwks, at('jwks'))
  return {
    // Issuers of tokens of version 2 and of version 1; an application chooses the version in its manifest.
    // Source: learn.microsoft.com/entra/identity-platform/access-tokens
    issuers:
      issuer === undefined
        ? [`https://login.microsoftonline.com/${tenant}/v2.0`, `https://sts.windows.net/${tenant}/`]
        : [issuer],
    audience,
    jwks: jwks ?? `https://login.microsoftonline.com/${tenant}/discovery/v2.0/keys`,
    roles,
    clients,
  }
}

/** A client that could change the keys in transit could authorise itself. */
function checkJwks(jwks: string, place: SourcePlace): void {
  checkHttpUrl(jwks, place)
  if (!/^http:/i.test(jwks) || /^http:\/\/(?:127\.0\.0\.1|localhost|\[::1\])[:/]/i.test(jwks)) return
  place.problems.error(
    place.text.at(place.path),
    'the keys that tokens are checked with come over `http:`',
    'expected `https://`',
  )
}

/** Data that clients push. */
export const pushConfig = {
  type: 'push',
  text: PushSourceText,
  checked: PushSource,
  read: readPushSource,
  plan: ({ datasets }) => ({
    queue: 'ingest-api',
    ingests: datasets.map(({ name }) => ({ dataset: name, after: [], incremental: false })),
  }),
  // Only services that receive pushes need the authentication settings.
  keysForServing: ['auth'],
} as const satisfies SourceConfig<PushSourceText, PushSource>
