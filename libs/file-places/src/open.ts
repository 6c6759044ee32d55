import type { TokenCredential } from '@azure/core-auth'
import { placeErrors } from './errors.ts'
import type { FilePlace } from './file-place.ts'
import { type PlaceAccess, type PlaceScheme, placeSchemeOf } from './place-address.ts'

export type PlaceDeps = {
  /** The identity of this process, for storage accounts without a key. */
  readonly credential?: (() => Promise<TokenCredential>) | undefined
}

type Open = (address: string, access: PlaceAccess, deps: PlaceDeps) => Promise<FilePlace>

/** Each client is loaded by the first place that needs it. */
const OPENERS: Readonly<Record<PlaceScheme, Open>> = {
  azure: async (address, access, { credential }) => {
    const { openAzurePlace } = await import('./azure/azure.ts')
    return await openAzurePlace(address, access, { credential })
  },
  sftp: async (address, access) => {
    const { openSftpPlace } = await import('./sftp/sftp.ts')
    return await openSftpPlace(address, access)
  },
  http: async (address, access) => {
    const { openHttpPlace } = await import('./http/http.ts')
    return await openHttpPlace(address, access)
  },
  s3: async (address, access) => {
    const { openS3Place } = await import('./s3/s3.ts')
    return await openS3Place(address, access)
  },
}

/**
 * Opens the place that an address names.
 * @param access with every placeholder filled
 * @throws {PLACE_ADDRESS_INVALID} terminal
 */
export async function openPlace(address: string, access: PlaceAccess, deps: PlaceDeps): Promise<FilePlace> {
  const scheme = placeSchemeOf(address)
  if (scheme === undefined) {
    throw placeErrors.PLACE_ADDRESS_INVALID('expected an address that begins with abfss://, https://, s3:// or sftp://')
  }
  return await OPENERS[scheme](address, access, deps)
}
