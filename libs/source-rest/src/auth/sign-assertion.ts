import { createHmac, createPrivateKey, randomUUID, sign, type KeyObject } from 'node:crypto'
import { RestKeyError } from './errors.ts'

export type Algorithm = 'RS256' | 'ES256' | 'HS256'

export type Assertion = {
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

/**
 * A signed JSON Web Token (RFC 7519, algorithms of RFC 7518).
 * @throws {RestKeyError} terminal
 */
export function signAssertion({ algorithm, key, keyId, claims, lifetimeMs, now, source }: Assertion): string {
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
  const privateKey = keyOf(key, algorithm, source)
  // JSON Web Signatures concatenate the two numbers instead of using DER. Source: RFC 7518, 3.4
  return sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' })
}

function keyOf(text: string, algorithm: Algorithm, source: string): KeyObject {
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
