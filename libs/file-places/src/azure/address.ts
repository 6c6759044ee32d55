import { placeErrors } from '../errors.ts'
import type { PlaceAccess } from '../place-address.ts'

export type AzureAddress = {
  readonly account: string
  /** Folder in the container: '' or ending with `/`. */
  readonly root: string
  /** Addresses of the container, one per API; the same where an emulator serves both. */
  readonly blobUrl: string
  readonly dfsUrl: string
  readonly accountKey?: string
  /** Without `?`. */
  readonly sas?: string
  /** Whether files are renamed by the Data Lake API. */
  readonly hasFolders: boolean
  readonly location: string
}

/**
 * `abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/FOLDER` or `https://ACCOUNT.blob.core.windows.net/CONTAINER/FOLDER`.
 * `abfs:` is without TLS, for emulators: `abfs://CONTAINER@ACCOUNT.HOST:PORT` is `http://HOST:PORT/ACCOUNT`.
 * @throws {PLACE_ADDRESS_INVALID} terminal: its message has nothing of a secret
 */
export function readAzureAddress(url: string, auth: PlaceAccess['auth'] = {}): AzureAddress {
  const { account, container, folder, blobUrl, dfsUrl, hasFolders, location } = partsOf(url)
  if (/[?#]/.test(url)) {
    throw placeErrors.PLACE_ADDRESS_INVALID(
      `expected a path without a query [place=${location}], got one; put a shared access signature at \`auth: { sas: … }\``,
    )
  }
  const given = fieldsOf(auth.connectionString)
  const named = given.get('accountname')
  if (named !== undefined && named !== account) {
    throw placeErrors.PLACE_ADDRESS_INVALID(
      `expected a connection string of the account ${account} [place=${location}], got another account's`,
    )
  }
  const sas = (auth.sas ?? given.get('sharedaccesssignature'))?.replace(/^\?/, '')
  const accountKey = auth.accountKey ?? given.get('accountkey')
  const blobEndpoint = given.get('blobendpoint')?.replace(/\/+$/, '') ?? blobUrl
  if (sas === undefined && accountKey === undefined && !blobEndpoint.startsWith('https:')) {
    throw placeErrors.PLACE_ADDRESS_INVALID(
      `expected \`abfss:\` (a token is sent with TLS only), or a key or signature at \`auth\` [place=${location}]`,
    )
  }
  return {
    account,
    root: folder === '' ? '' : `${folder}/`,
    blobUrl: `${blobEndpoint}/${container}`,
    dfsUrl: `${given.get('dfsendpoint')?.replace(/\/+$/, '') ?? (given.has('blobendpoint') ? blobEndpoint : dfsUrl)}/${container}`,
    hasFolders,
    location,
    ...(accountKey !== undefined && sas === undefined && { accountKey }),
    ...(sas !== undefined && { sas }),
  }
}

function partsOf(url: string) {
  const ofLake = /^(abfss?):\/\/([^@/?#]+)@([^.:/?#]+)\.([^/?#]+)(?:\/([^?#]*))?/i.exec(url)
  if (ofLake !== null) {
    const [, scheme = '', container = '', account = '', host = '', path = ''] = ofLake
    const folder = path.replaceAll(/^\/+|\/+$/g, '')
    const web = scheme.toLowerCase() === 'abfss' ? 'https' : 'http'
    const isAzure = host.startsWith('dfs.')
    const emulated = web === 'https' ? `https://${account}.${host}` : `http://${host}/${account}`
    return {
      account,
      container,
      folder,
      hasFolders: true,
      dfsUrl: isAzure ? `${web}://${account}.${host}` : emulated,
      blobUrl: isAzure ? `${web}://${account}.${host.replace(/^dfs\./, 'blob.')}` : emulated,
      location: `${scheme.toLowerCase()}://${container}@${account}.${host}${folder === '' ? '' : `/${folder}`}`,
    }
  }
  const ofBlob = /^https:\/\/([a-z0-9]+)\.(?:blob|dfs)\.([^/?#]+)\/([^/?#]+)(?:\/([^?#]*))?/i.exec(url)
  if (ofBlob === null) {
    throw placeErrors.PLACE_ADDRESS_INVALID(
      'expected abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/FOLDER or https://ACCOUNT.blob.core.windows.net/CONTAINER/FOLDER',
    )
  }
  const [, account = '', host = '', container = '', path = ''] = ofBlob
  const folder = decoded(path.replaceAll(/^\/+|\/+$/g, ''))
  return {
    account,
    container,
    folder,
    hasFolders: false,
    dfsUrl: `https://${account}.dfs.${host}`,
    blobUrl: `https://${account}.blob.${host}`,
    location: `https://${account}.blob.${host}/${container}${folder === '' ? '' : `/${folder}`}`,
  }
}

/** An address may be copied from the portal, where it is encoded. */
function decoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

function fieldsOf(connectionString = ''): ReadonlyMap<string, string> {
  return new Map(
    connectionString
      .split(';')
      .filter((pair) => pair.includes('='))
      .map((pair) => [pair.slice(0, pair.indexOf('=')).trim().toLowerCase(), pair.slice(pair.indexOf('=') + 1).trim()]),
  )
}
