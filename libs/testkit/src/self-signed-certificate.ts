import { generateKeyPairSync, sign } from 'node:crypto'

/** A key, and a self-signed certificate for it. Both as PEM. */
export type SelfSigned = { readonly key: string; readonly certificate: string }

/**
 * A certificate for servers of tests on this machine: a name, `localhost` unless told, and 127.0.0.1. Node signs, but
 * makes no certificates; the few structures of X.509 that one needs are written here, so that no test needs `openssl`.
 * Source: RFC 5280
 */
export function selfSignedCertificate(dnsName = 'localhost'): SelfSigned {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const algorithm = sequence(oid(ECDSA_WITH_SHA256))
  const name = sequence(set(sequence(oid(COMMON_NAME), der(TAG.utf8String, Buffer.from(dnsName)))))
  const content = sequence(
    der(TAG.context(0), integer(VERSION_3)),
    integer(SERIAL),
    algorithm,
    name,
    sequence(utcTime('200101000000Z'), utcTime('491231235959Z')),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(TAG.context(3), extensions(dnsName)),
  )
  const signature = sign('sha256', content, privateKey)
  const certificate = sequence(content, algorithm, der(TAG.bitString, Buffer.from([0]), signature))
  return { key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), certificate: pem(certificate) }
}

const VERSION_3 = 2
const SERIAL = 1
const LOOPBACK = Buffer.from([127, 0, 0, 1])

// Object identifiers as they are encoded: 1.2.840.10045.4.3.2, 2.5.4.3, 2.5.29.17, 2.5.29.19
const ECDSA_WITH_SHA256 = '2a8648ce3d040302'
const COMMON_NAME = '550403'
const SUBJECT_ALTERNATIVE_NAME = '551d11'
const BASIC_CONSTRAINTS = '551d13'

const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  sequence: 0x30,
  set: 0x31,
  context: (number: number) => 0xa0 + number,
  /** A name of DNS, and an address, within a name of any kind. */
  dnsName: 0x82,
  ipAddress: 0x87,
} as const

function extensions(dnsName: string): Buffer {
  const names = sequence(der(TAG.dnsName, Buffer.from(dnsName)), der(TAG.ipAddress, LOOPBACK))
  const isAuthority = sequence(der(TAG.boolean, Buffer.from([0xff])))
  return sequence(
    sequence(oid(SUBJECT_ALTERNATIVE_NAME), der(TAG.octetString, names)),
    sequence(oid(BASIC_CONSTRAINTS), der(TAG.octetString, isAuthority)),
  )
}

/** Tag, length, content. Source: ITU-T X.690, 8.1 */
function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  return Buffer.concat([Buffer.from([tag]), lengthOf(content), content])
}

function lengthOf({ length }: Buffer): Buffer {
  if (length < 0x80) return Buffer.from([length])
  return length < 0x1_00 ? Buffer.from([0x81, length]) : Buffer.from([0x82, length >> 8, length & 0xff])
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(TAG.sequence, ...parts)
}

function set(...parts: readonly Buffer[]): Buffer {
  return der(TAG.set, ...parts)
}

function oid(hex: string): Buffer {
  return der(TAG.objectIdentifier, Buffer.from(hex, 'hex'))
}

function integer(value: number): Buffer {
  return der(TAG.integer, Buffer.from([value]))
}

function utcTime(text: string): Buffer {
  return der(TAG.utcTime, Buffer.from(text))
}

function pem(certificate: Buffer): string {
  const lines = certificate.toString('base64').replaceAll(/.{64}(?=.)/g, '$&\n')
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`
}
