/** The kinds of places that an address can name. */
export type PlaceScheme = 'azure' | 's3' | 'sftp' | 'http'

const SCHEMES: Readonly<Record<string, PlaceScheme>> = {
  abfss: 'azure',
  abfs: 'azure',
  s3: 's3',
  sftp: 'sftp',
  https: 'http',
  http: 'http',
}

/** A storage account's own name for its containers. Source: learn.microsoft.com/…/storage-account-overview#storage-account-endpoints */
const BLOB_HOST = /^https:\/\/[a-z0-9]+\.(?:blob|dfs)\.(?:core|storage)\.[a-z0-9.]+(?:[/:?#]|$)/i

/** The kind of place that an address names; undefined for a folder of this machine and for what is no address. */
export function placeSchemeOf(address: string): PlaceScheme | undefined {
  if (BLOB_HOST.test(address)) return 'azure'
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(address)?.[1]?.toLowerCase()
  return scheme === undefined ? undefined : SCHEMES[scheme]
}

/** What is declared about a place in addition to its address, with every placeholder filled. */
export type PlaceAccess = {
  readonly auth?: {
    readonly sas?: string
    readonly accountKey?: string
    readonly connectionString?: string
    readonly keyId?: string
    readonly secretKey?: string
    readonly sessionToken?: string
    readonly user?: string
    readonly password?: string
    readonly privateKey?: string
    readonly passphrase?: string
    readonly token?: string
  }
  /** SFTP: fingerprints (`SHA256:…`) or public keys (`ssh-ed25519 AAAA…`) that the server may have. */
  readonly hostKeys?: readonly string[]
  /** S3: the server, where it is not Amazon's. */
  readonly endpoint?: string
  readonly region?: string
  /** S3: whether the bucket is in the path, and not in the name of the host. */
  readonly pathStyle?: boolean
}
