import { createHmac, timingSafeEqual } from 'node:crypto'
import type { AmqpMessage } from './amqp.ts'

/** Names of shared access keys and the keys. */
export type Keys = Readonly<Record<string, string>>

/**
 * What a connection may touch, by the tokens that it has put: the paths below which it is let in.
 * Source of the operation: docs.oasis-open.org/amqp/amqp-cbs
 */
export type Access = {
  /** Checks a put-token request. */
  put(request: AmqpMessage): boolean
  allows(address: string): boolean
}

export function createAccess(keys: Keys): Access {
  const paths = new Set<string>()
  return {
    put({ application_properties: { operation, name, type } = {}, body }) {
      const isValid = operation === 'put-token' && (type === 'jwt' || isSigned(String(body), String(name), keys))
      if (isValid) paths.add(entityPathOf(String(name)))
      return isValid
    },
    allows: (address) => paths.has(entityPathOf(address)),
  }
}

/** Without endpoint and without what is asked of the entity: `sb://HOST/loader/$management` is about `loader`. */
function entityPathOf(audience: string): string {
  return audience
    .replace(/^\w+:\/\/[^/]+\//, '')
    .replace(/\/\$management$/, '')
    .toLowerCase()
}

/** Whether a shared access signature is genuine, not over, and about the resource. */
function isSigned(token: string, resource: string, keys: Keys): boolean {
  const fields = new Map(
    token
      .replace(/^SharedAccessSignature /, '')
      .split('&')
      .map((part) => [part.slice(0, part.indexOf('=')), part.slice(part.indexOf('=') + 1)] as const),
  )
  const [about = '', expiry = '0', signature = '', name = ''] = ['sr', 'se', 'sig', 'skn'].map((key) => fields.get(key))
  const key = keys[decodeURIComponent(name)]
  if (key === undefined || Number(expiry) * 1000 < Date.now()) return false
  const expected = createHmac('sha256', key).update(`${about}\n${expiry}`).digest()
  const given = Buffer.from(decodeURIComponent(signature), 'base64')
  const isGenuine = given.length === expected.length && timingSafeEqual(given, expected)
  return isGenuine && resource.startsWith(decodeURIComponent(about))
}
