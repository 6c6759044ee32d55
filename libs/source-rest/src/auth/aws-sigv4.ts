import { createHash, createHmac } from 'node:crypto'
import { filled, mapping, mayBeSecret, secretText, template, text as anyText } from '@cinelake/config-text'
import { z } from 'zod'
import type { SentRequest } from '../http/page-request.ts'
import type { AuthKind } from './auth-kind.ts'

const text = mapping({
  type: z.literal('awsSigV4'),
  accessKeyId: mayBeSecret(anyText),
  secretAccessKey: secretText,
  sessionToken: secretText.optional().describe('`${secret:NAME}`: of temporary credentials.'),
  region: filled(anyText).describe('`eu-central-1`'),
  service: filled(anyText).describe('Name of the service in signatures: `execute-api`, `s3`, `es` …'),
})
const checked = z.object({
  type: z.literal('awsSigV4'),
  accessKeyId: template,
  secretAccessKey: template,
  sessionToken: template.optional(),
  region: template,
  service: template,
})
type AwsSigV4 = z.infer<typeof checked>

/** AWS Signature Version 4 in headers. Source: docs.aws.amazon.com, "Signature Version 4 for API requests" */
export const awsSigV4 = {
  text,
  checked,
  read: (auth) => auth,
  // Source: docs.aws.amazon.com, "Common error types": ExpiredTokenException, InvalidClientTokenId
  refusedWith: [403],
  sign(auth, request, now) {
    const bodyHash = createHash('sha256').update(request.body).digest('hex')
    const own = {
      'x-amz-date': now.toISOString().replaceAll(/[-:]|\.\d+/g, ''),
      'x-amz-content-sha256': bodyHash,
      ...(auth.sessionToken === undefined ? {} : { 'x-amz-security-token': auth.sessionToken }),
    }
    const kept = Object.entries(request.headers).filter(([name]) => !UNSIGNED.has(name))
    const headers = { host: request.url.host, ...Object.fromEntries(kept), ...own }
    return { ...own, authorization: authorizationOf(auth, { ...request, headers }, bodyHash) }
  },
} as const satisfies AuthKind<z.infer<typeof text>, AwsSigV4>

/** Headers that are set by this client alone, or that proxies may change, and the one that carries the signature. */
const UNSIGNED = new Set([
  'accept',
  'accept-encoding',
  'authorization',
  'cache-control',
  'connection',
  'pragma',
  'user-agent',
  'x-amzn-trace-id',
])

/**
 * The Authorization header of a request, all of whose headers are signed; `x-amz-date` is one of them. Exported for tests: those
 * that AWS publishes sign requests without `x-amz-content-sha256`.
 */
export function authorizationOf(
  { accessKeyId, secretAccessKey, region, service }: Omit<AwsSigV4, 'type' | 'sessionToken'>,
  { method, url, headers }: Omit<SentRequest, 'body'>,
  bodyHash: string,
): string {
  const time = headers['x-amz-date'] ?? ''
  const date = time.slice(0, 8)
  const names = Object.keys(headers).sort()
  const signedHeaders = names.join(';')
  const canonicalRequest = [
    method,
    canonicalPath(url, service),
    canonicalQuery(url),
    ...names.map((name) => `${name}:${(headers[name] ?? '').trim().replaceAll(/ +/g, ' ')}`),
    '',
    signedHeaders,
    bodyHash,
  ].join('\n')
  const scope = `${date}/${region}/${service}/aws4_request`
  const hash = createHash('sha256').update(canonicalRequest).digest('hex')
  const key = [date, region, service, 'aws4_request'].reduce<string | Buffer>(hmac, `AWS4${secretAccessKey}`)
  const signature = hmac(key, `${ALGORITHM}\n${time}\n${scope}\n${hash}`).toString('hex')
  return `${ALGORITHM} Credential=${accessKeyId}/${scope}, SignedHeaders=${signedHeaders}, Signature=${signature}`
}

const ALGORITHM = 'AWS4-HMAC-SHA256'

const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()

/** Services of S3 encode the name of an object once, and have names with `//`. */
const ONCE_ENCODED = /^s3(?:express|-outposts|-object-lambda)?$/

/** The path as it is sent, encoded once more but for S3. */
function canonicalPath({ pathname }: URL, service: string): string {
  const path = ONCE_ENCODED.test(service) ? decoded(pathname) : pathname.replaceAll(/\/+/g, '/')
  return path.split('/').map(encoded).join('/')
}

function canonicalQuery({ searchParams }: URL): string {
  return [...searchParams]
    .map(([name, value]) => [encoded(name), encoded(value)] as const)
    .sort(([a, x], [b, y]) => compare(a, b) || compare(x, y))
    .map(([name, value]) => `${name}=${value}`)
    .join('&')
}

const compare = (a: string, b: string) => (a < b ? -1 : Number(a > b))

/** All but the unreserved characters of RFC 3986; `encodeURIComponent` leaves a few more as they are. */
function encoded(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`)
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    // A `%` that stands for itself.
    return path
  }
}
