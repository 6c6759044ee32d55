import { filled, mapping, secretText, template, text } from '@cinelake/config-text'
import { z } from 'zod'
import type { PlaceAccess } from '../place-address.ts'

const auth = mapping({
  sas: secretText.optional().describe('Azure: a shared access signature, as `${secret:NAME}`.'),
  accountKey: secretText.optional().describe("Azure: the storage account's key, as `${secret:NAME}`."),
  connectionString: secretText.optional().describe('Azure: a connection string, as `${secret:NAME}`.'),
  keyId: filled(text).optional().describe('S3: the id of an access key.'),
  secretKey: secretText.optional().describe('S3: the secret of the access key, as `${secret:NAME}`.'),
  sessionToken: secretText.optional().describe('S3: of keys for a time, as `${secret:NAME}`.'),
  user: filled(text).optional().describe('HTTP: for `password`.'),
  password: secretText.optional().describe('SFTP, HTTP: as `${secret:NAME}`.'),
  token: secretText.optional().describe('HTTP: a bearer token, as `${secret:NAME}`.'),
  privateKey: secretText.optional().describe('SFTP: a private key as OpenSSH or PEM has it, as `${secret:NAME}`.'),
  passphrase: secretText.optional().describe('SFTP: of the private key, as `${secret:NAME}`.'),
})

/** What is written about a place beside its address: the fields of a mapping. */
export const accessText = {
  auth: auth
    .optional()
    .describe('How to sign in to the server. Default: the identity of the service that does (Azure, S3).'),
  hostKey: z
    .union([filled(text), z.array(filled(text)).min(1)])
    .optional()
    .describe('SFTP: fingerprint (`SHA256:…`) or public key of the server, or several. Required for SFTP.'),
  endpoint: filled(text).optional().describe("S3: `https://HOST:PORT` of the server. Default: Amazon's."),
  region: filled(text).optional().describe("S3: the bucket's region. Default: that of the environment."),
  pathStyle: z
    .boolean()
    .optional()
    .describe('S3: the bucket is in the path, not in the name of the host. Default: `true` with an `endpoint`.'),
}
const AccessText = z.object(accessText)
export type AccessText = z.infer<typeof AccessText>

/** The same of a checked pipeline: the fields of an object, which may hold placeholders. */
export const checkedAccess = {
  /** How to sign in to the server. */
  auth: z.record(z.string(), template).optional(),
  /** SFTP: the host keys that the server may have, as fingerprints or public keys. */
  hostKeys: z.array(template).optional(),
  /** S3: the server, where it is not Amazon's. */
  endpoint: template.optional(),
  region: template.optional(),
  pathStyle: z.boolean().optional(),
}
const CheckedAccess = z.object(checkedAccess)
export type CheckedAccess = z.infer<typeof CheckedAccess>

export function accessOf({ auth: signIn, hostKey, endpoint, region, pathStyle }: AccessText): CheckedAccess {
  return {
    ...(signIn === undefined ? {} : { auth: definedOf(signIn) }),
    ...(hostKey === undefined ? {} : { hostKeys: [hostKey].flat() }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(pathStyle === undefined ? {} : { pathStyle }),
  }
}

function definedOf(fields: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(fields).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  )
}

/** Puts values for the placeholders of one text. @param options `refresh`: secrets are looked up again */
type Fill = (text: string, options: { readonly refresh: boolean }) => Promise<string>

export async function filledAccess(
  { auth: signIn = {}, hostKeys, endpoint, region, pathStyle }: CheckedAccess,
  fill: Fill,
  { refresh = false } = {},
): Promise<PlaceAccess> {
  const filledIn = await Promise.all(
    Object.entries(signIn).map(async ([key, value]) => [key, await fill(value, { refresh })] as const),
  )
  const plain = async (value: string) => await fill(value, { refresh: false })
  return {
    ...(filledIn.length === 0 ? {} : { auth: Object.fromEntries(filledIn) }),
    ...(hostKeys === undefined ? {} : { hostKeys: await Promise.all(hostKeys.map(plain)) }),
    ...(endpoint === undefined ? {} : { endpoint: await plain(endpoint) }),
    ...(region === undefined ? {} : { region: await plain(region) }),
    ...(pathStyle === undefined ? {} : { pathStyle }),
  }
}
