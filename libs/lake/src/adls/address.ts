import { ConfigError } from '@cinelake/core'
import { checkPath } from '../path.ts'

/** The credential: an account key, or a shared access signature without `?`. Otherwise an Entra token. */
export type AdlsKey = { readonly accountKey?: string; readonly sas?: string }

/** The address of a lake in Azure. */
export type AdlsAddress = AdlsKey & {
  readonly account: string
  readonly container: string
  /** Folder of the lake in the container, '' or ending in `/`. */
  readonly root: string
  /** Addresses of the container, one per API; the same where an emulator serves both. */
  readonly blobUrl: string
  readonly dfsUrl: string
  /** For logs and display. */
  readonly location: string
}

/**
 * Reads `abfss://CONTAINER@ACCOUNT.dfs.core.windows.net[/ROOT]`, the form that Spark uses. `abfs:` means no TLS, for
 * emulators: `abfs://CONTAINER@ACCOUNT.HOST:PORT` is `http://HOST:PORT/ACCOUNT`, so that no host name has to resolve.
 *
 * @param connectionString as the Azure portal shows it; its endpoints, if any, are used even if it has no key
 * @throws {ConfigError} terminal: its message never contains a key
 */
export function readAddress(
  url: string,
  { connectionString, sas }: { readonly connectionString?: string; readonly sas?: string } = {},
): AdlsAddress {
  const parts = /^(abfss?):\/\/([^@/]+)@([^.:/]+)\.([^/]+)(?:\/(.*))?$/i.exec(url)
  if (parts === null) {
    throw problem('CINELAKE_LAKE', 'expected abfss://CONTAINER@ACCOUNT.dfs.core.windows.net[/ROOT]')
  }
  const [, scheme = '', container = '', account = '', host = '', path = ''] = parts
  const root = rootOf(path)
  const given = connectionString === undefined ? undefined : readConnectionString(connectionString, account)
  const signature = (sas ?? given?.sas)?.replace(/^\?/, '')
  const { blobUrl, dfsUrl } = endpointsOf(scheme.toLowerCase() === 'abfss', account, host)
  const hasKey = given?.accountKey !== undefined || signature !== undefined
  if (!hasKey && !(given?.blobEndpoint ?? blobUrl).startsWith('https:')) {
    throw problem('CINELAKE_LAKE', 'expected abfss: (a token is sent with TLS only), or a key or signature for abfs:')
  }
  return {
    account,
    container,
    root,
    blobUrl: `${given?.blobEndpoint ?? blobUrl}/${container}`,
    dfsUrl: `${given?.dfsEndpoint ?? given?.blobEndpoint ?? dfsUrl}/${container}`,
    location: `${scheme.toLowerCase()}://${container}@${account}.${host}${root === '' ? '' : `/${root.slice(0, -1)}`}`,
    ...(given?.accountKey !== undefined && { accountKey: given.accountKey }),
    ...(signature !== undefined && { sas: signature }),
  }
}

function rootOf(path: string): string {
  const root = path.replace(/\/$/, '')
  if (root === '') return ''
  checkPath(root)
  return `${root}/`
}

function endpointsOf(hasTls: boolean, account: string, host: string) {
  // Azure has one host per API; the pattern is the same in its sovereign clouds.
  if (host.startsWith('dfs.')) {
    const scheme = hasTls ? 'https' : 'http'
    return {
      dfsUrl: `${scheme}://${account}.${host}`,
      blobUrl: `${scheme}://${account}.${host.replace(/^dfs\./, 'blob.')}`,
    }
  }
  const url = hasTls ? `https://${account}.${host}` : `http://${host}/${account}`
  return { dfsUrl: url, blobUrl: url }
}

type Given = AdlsKey & { readonly blobEndpoint?: string; readonly dfsEndpoint?: string }

function readConnectionString(text: string, account: string): Given {
  const fields = new Map(
    text
      .split(';')
      .filter((pair) => pair.includes('='))
      .map((pair) => [pair.slice(0, pair.indexOf('=')).trim().toLowerCase(), pair.slice(pair.indexOf('=') + 1).trim()]),
  )
  const named = fields.get('accountname')
  if (named !== undefined && named !== account) {
    throw problem(
      'CINELAKE_LAKE_CONNECTION_STRING',
      `expected the account of CINELAKE_LAKE, ${account}, got another account`,
    )
  }
  const [accountKey, sas] = [fields.get('accountkey'), fields.get('sharedaccesssignature')]
  const [blobEndpoint, dfsEndpoint] = ['blobendpoint', 'dfsendpoint'].map((name) =>
    fields.get(name)?.replace(/\/+$/, ''),
  )
  if (accountKey === undefined && sas === undefined && blobEndpoint === undefined) {
    throw problem(
      'CINELAKE_LAKE_CONNECTION_STRING',
      'expected AccountKey=…, SharedAccessSignature=… or BlobEndpoint=… in it, got none of them',
    )
  }
  return {
    ...(accountKey !== undefined && { accountKey }),
    ...(sas !== undefined && { sas }),
    ...(blobEndpoint !== undefined && { blobEndpoint }),
    ...(dfsEndpoint !== undefined && { dfsEndpoint }),
  }
}

function problem(setting: string, text: string): ConfigError {
  return new ConfigError(`${setting} cannot be used`, [text])
}
