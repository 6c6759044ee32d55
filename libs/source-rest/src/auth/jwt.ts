import { duration, durationMs, filled, mapping, secretText, template, text as anyText } from '@cinelake/config-text'
import type { Clock } from '@cinelake/core'
import { type KeyObject, createHmac, createPrivateKey, randomUUID, sign } from 'node:crypto'
import { z } from 'zod'
import type { AuthKind } from './auth-kind.ts'
import { RestKeyError } from './errors.ts'
import {
  type TokenRequest,
  commonFields,
  exchange,
  fields,
  present,
  tokenIn,
  tokenRequest,
  tokenRequestText,
} from './token-endpoint.ts'

/** Five minutes: some endpoints refuse more than ten. Source: docs.github.com, "Generating a JSON Web Token" */
const DEFAULT_LIFETIME_MS = 300_000

const text = mapping({
  type: z.literal('jwt'),
  as: z
    .enum(['grant', 'clientAssertion', 'token'])
    .optional()
    .describe('What the assertion is used as. Default: `grant`; without `tokenUrl`, `token`.'),
  algorithm: z.enum(['RS256', 'ES256', 'HS256']).optional().describe('Default: `RS256`.'),
  key: secretText.describe('`${secret:NAME}`: a private key (PEM), or the shared secret for HS256.'),
  keyId: filled(anyText).optional(),
  issuer: filled(anyText).optional(),
  subject: filled(anyText).optional().describe('Default: `issuer`.'),
  lifetime: duration.optional().describe('How long an assertion is valid. Default: `5m`.'),
  claims: fields('address').describe('Further claims.'),
  ...tokenRequestText,
  tokenUrl: tokenRequestText.tokenUrl.optional(),
  clientId: filled(anyText).optional(),
})

const checked = z.object({
  type: z.literal('jwt'),
  as: z.enum(['grant', 'clientAssertion', 'token']),
  algorithm: z.enum(['RS256', 'ES256', 'HS256']),
  /** PEM for RS256 and ES256, the shared secret for HS256. */
  key: template,
  keyId: template.optional(),
  issuer: template.optional(),
  subject: template.optional(),
  lifetimeMs: z.int().positive(),
  claims: z.record(z.string(), template).default({}),
  ...tokenRequest,
  /** Empty if the assertion is the token. */
  tokenUrl: template,
  clientId: template.optional(),
})

/** A signed assertion: exchanged for a token (RFC 7523), or sent as the token itself. */
export const jwt = {
  text,
  checked,
  read(auth, { text, path, problems }) {
    const { tokenUrl = '', algorithm = 'RS256', lifetime, claims = {}, parameters = {}, subject, ...rest } = auth
    const as = auth.as ?? (tokenUrl === '' ? 'token' : 'grant')
    if (as !== 'token' && tokenUrl === '') {
      problems.error(text.at(path), 'the assertion is exchanged nowhere', 'add `tokenUrl`, or say `as: token`')
    }
    return {
      ...rest,
      tokenUrl,
      as,
      algorithm,
      lifetimeMs: lifetime === undefined ? DEFAULT_LIFETIME_MS : durationMs(lifetime),
      claims,
      parameters,
      ...((subject ?? rest.issuer) === undefined ? {} : { subject: subject ?? rest.issuer }),
    }
  },
  async token(auth, deps) {
    const { source, clock, hide } = deps
    if (auth.as !== 'token')
      return tokenIn(await exchange(auth.tokenUrl, assertionRequest(auth, source, clock), deps), deps)
    const value = assertionOf(auth, source, clock)
    hide(value)
    return { value, expiresAt: clock().getTime() + auth.lifetimeMs }
  },
} as const satisfies AuthKind<z.infer<typeof text>, z.infer<typeof checked>>

type Jwt = z.infer<typeof checked>

/** An assertion as a grant or for client authentication (RFC 7523, 2.1 and 2.2). All placeholders are filled. */
function assertionRequest(auth: Jwt, source: string, clock: Clock): TokenRequest {
  const assertion = assertionOf(auth, source, clock)
  const form: Readonly<Record<string, string>> =
    auth.as === 'grant'
      ? { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion }
      : {
          grant_type: 'client_credentials',
          client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
          client_assertion: assertion,
        }
  // The audience belongs to the assertion, not to the form.
  return {
    form: { ...form, ...present({ client_id: auth.clientId }), ...commonFields({ ...auth, audience: undefined }) },
    headers: {},
  }
}

/** The assertion itself. Its audience is the token endpoint unless another is given. */
function assertionOf(auth: Jwt, source: string, clock: Clock): string {
  const { algorithm, key, keyId, issuer, subject, audience, claims, lifetimeMs, tokenUrl } = auth
  const told = present({ iss: issuer, sub: subject, aud: audience ?? (tokenUrl === '' ? undefined : tokenUrl) })
  return signAssertion({ algorithm, key, keyId, lifetimeMs, source, now: clock(), claims: { ...told, ...claims } })
}

type Algorithm = 'RS256' | 'ES256' | 'HS256'

type Assertion = {
  readonly algorithm: Algorithm
  /** PEM, or the shared secret. */
  readonly key: string
  readonly keyId?: string | undefined
  readonly claims: Readonly<Record<string, unknown>>
  readonly lifetimeMs: number
  readonly now: Date
  /** For messages. */
  readonly source: string
}

/** A signed JSON Web Token (RFC 7519, algorithms of RFC 7518). @throws {RestKeyError} terminal */
function signAssertion({ algorithm, key, keyId, claims, lifetimeMs, now, source }: Assertion): string {
  const issuedAt = Math.floor(now.getTime() / 1000)
  const header = { alg: algorithm, typ: 'JWT', ...(keyId === undefined ? {} : { kid: keyId }) }
  const payload = { iat: issuedAt, exp: issuedAt + Math.floor(lifetimeMs / 1000), jti: randomUUID(), ...claims }
  const signed = `${base64(header)}.${base64(payload)}`
  return `${signed}.${signatureOf(signed, algorithm, key, source).toString('base64url')}`
}

function signatureOf(text: string, algorithm: Algorithm, key: string, source: string): Buffer {
  if (algorithm === 'HS256') {
    if (key === '') throw new RestKeyError(source, algorithm, 'nothing')
    return createHmac('sha256', key).update(text).digest()
  }
  const privateKey = privateKeyOf(key, algorithm, source)
  // JSON Web Signatures concatenate the two numbers instead of using DER. Source: RFC 7518, 3.4
  return sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' })
}

function privateKeyOf(text: string, algorithm: Algorithm, source: string): KeyObject {
  // Environment variables often contain a PEM on one line, with escaped line ends.
  const pem = text.includes('\n') ? text : text.replaceAll(String.raw`\n`, '\n')
  let key: KeyObject
  try {
    key = createPrivateKey(pem)
  } catch {
    // Without cause: its message may contain parts of the key.
    throw new RestKeyError(source, algorithm, 'something that is no private key')
  }
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  const isRight = algorithm === 'RS256' ? type === 'rsa' : type === 'ec' && details?.namedCurve === 'prime256v1'
  if (!isRight) throw new RestKeyError(source, algorithm, `one of the kind ${type} ${details?.namedCurve ?? ''}`.trim())
  return key
}

const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
