import { placeErrors } from '../errors.ts'
import type { PlaceAccess } from '../place-address.ts'

export type SftpAddress = {
  readonly host: string
  readonly port: number
  readonly user: string
  /** Without `/` at its end. */
  readonly folder: string
  readonly location: string
  readonly password?: string
  readonly privateKey?: string
  readonly passphrase?: string
  /** Fingerprints (`SHA256:…`), or public keys in base64. */
  readonly hostKeys: readonly string[]
}

/**
 * `sftp://USER@HOST:PORT/FOLDER`; the folder is absolute, or below the user's own with `/~/FOLDER`.
 * @throws {PLACE_ADDRESS_INVALID} terminal
 */
export function readSftpAddress(url: string, { auth = {}, hostKeys = [] }: PlaceAccess): SftpAddress {
  const parsed = URL.parse(url)
  if (parsed === null || parsed.hostname === '')
    throw placeErrors.PLACE_ADDRESS_INVALID('expected sftp://USER@HOST:PORT/FOLDER')
  const { hostname, port, username, password, pathname } = parsed
  const path = decodeURIComponent(pathname).replace(/\/+$/, '')
  const location = `sftp://${hostname}${port === '' ? '' : `:${port}`}${path}`
  if (password !== '')
    throw placeErrors.PLACE_ADDRESS_INVALID(
      `expected no password in the address [place=${location}], got one; put it at \`auth: { password: … }\``,
    )
  const user = decodeURIComponent(username) || auth.user
  if (user === undefined)
    throw placeErrors.PLACE_ADDRESS_INVALID(
      `expected a user [place=${location}], as in sftp://USER@HOST/FOLDER, got none`,
    )
  if (auth.password === undefined && auth.privateKey === undefined)
    throw placeErrors.PLACE_ADDRESS_INVALID(
      `expected \`auth\` with a \`password\` or a \`privateKey\` [place=${location}], got none`,
    )
  return {
    host: hostname.replaceAll(/^\[|\]$/g, ''),
    port: port === '' ? 22 : Number(port),
    user,
    folder: /^\/~(?:\/|$)/.test(path) ? `.${path.slice(2)}` : path,
    location,
    hostKeys,
    ...(auth.password !== undefined && { password: auth.password }),
    ...(auth.privateKey !== undefined && { privateKey: auth.privateKey }),
    ...(auth.passphrase !== undefined && { passphrase: auth.passphrase }),
  }
}
