import { RestError } from '@azure/storage-blob'
import { CancelledError, PipelineError } from '@cinelake/core'
import {
  PlaceFileChangedError,
  PlaceFileForbiddenError,
  placeErrors,
  PlaceRefusedError,
  PlaceUnavailableError,
} from '../errors.ts'

const READER =
  'give this identity the role "Storage Blob Data Reader" on the container ("… Contributor", where files are moved or deleted)'

/** Credentials that are no good for any file. Source: learn.microsoft.com/…/common-rest-api-error-codes */
const REFUSED: Readonly<Record<string, string>> = {
  AuthenticationFailed:
    'check that the key, token or shared access signature belongs to this account and has not expired, and that the clock of this machine is right',
  InvalidAuthenticationInfo: 'check the tenant, and the clock of this machine',
  NoAuthenticationInformation: 'state a key or signature at `auth`, or run with an identity',
  KeyBasedAuthenticationNotPermitted: `the account accepts no keys: leave \`auth\` out, and ${READER}`,
  PublicAccessNotPermitted: READER,
  AuthorizationFailure: `the account's firewall keeps this network out, or the identity may not do this: allow the network, or ${READER}`,
  AuthorizationProtocolMismatch: 'the signature is for https alone',
  AccountIsDisabled: 'the storage account is disabled: check the subscription',
}

function statusOf(error: unknown): number | undefined {
  return error instanceof RestError ? error.statusCode : undefined
}

function codeOf(error: unknown): string | undefined {
  if (!(error instanceof RestError)) return undefined
  const details: unknown = error.details
  const inBody =
    typeof details === 'object' && details !== null && 'errorCode' in details ? details.errorCode : undefined
  return typeof inBody === 'string' ? inBody : error.code
}

const isOfContainer = (error: unknown) => /^(?:Container|Filesystem)/.test(codeOf(error) ?? '')

/** No such file. */
export function isGone(error: unknown): boolean {
  return statusOf(error) === 404 && !isOfContainer(error) && !isWithoutFolder(error)
}

/** The folder is missing that a file was to be moved to. */
export function isWithoutFolder(error: unknown): boolean {
  return codeOf(error) === 'RenameDestinationParentPathNotFound'
}

/** No such file, or not in this version. */
export function isNotThis(error: unknown): boolean {
  return isGone(error) || (statusOf(error) === 412 && !isTaken(error))
}

/** The name is taken that a file was to get. */
export function isTaken(error: unknown): boolean {
  return statusOf(error) === 409 && ['BlobAlreadyExists', 'PathAlreadyExists'].includes(codeOf(error) ?? '')
}

export function changed(location: string, name: string, isRemoved: boolean): PlaceFileChangedError {
  return new PlaceFileChangedError(location, name, isRemoved ? 'it was removed' : 'it was written to or replaced')
}

type Doing = {
  readonly location: string
  readonly signal: AbortSignal | undefined
  /** The name of the file that is being read. */
  readonly reading?: string
}

/** Translates an error of the SDK. Its request has a signature, and is left behind. */
export function translate(error: unknown, { location, signal, reading }: Doing): unknown {
  if (error instanceof PipelineError) return error
  if (signal?.aborted === true) return new CancelledError(`reading ${location}`, { cause: signal.reason })
  const code = codeOf(error)
  const status = statusOf(error)
  const reason = code ?? (status === undefined ? 'no answer' : String(status))
  if (status === 404 && isOfContainer(error)) return placeErrors.PLACE_MISSING(location, 'no such container')
  if (reading !== undefined && isNotThis(error)) return changed(location, reading, status === 404)
  const remedy = REFUSED[reason] ?? (status === 401 ? READER : undefined)
  if (remedy !== undefined) return new PlaceRefusedError(location, reason, remedy)
  if (status === 403) {
    return reading === undefined
      ? new PlaceRefusedError(location, reason, READER)
      : new PlaceFileForbiddenError(location, reading, reason)
  }
  if (status !== undefined && status >= 400 && status < 500 && status !== 408 && status !== 429)
    return new PlaceRefusedError(location, reason, 'Azure refuses the request as it is: check the address')
  if (!(error instanceof Error)) return error
  // Of @azure/identity, which is not imported here.
  if (/^(CredentialUnavailable|AggregateAuthentication|AuthenticationRequired|Authentication)Error$/.test(error.name))
    return new PlaceRefusedError(location, 'no token', `no identity could be signed in: state \`auth\`, or ${READER}`)
  if (error instanceof RestError || error.name === 'AbortError' || isOfNetwork(error))
    return new PlaceUnavailableError(location, reason === 'no answer' ? (networkCode(error) ?? reason) : reason)
  return error
}

const networkCode = (error: Error) => ('code' in error && typeof error.code === 'string' ? error.code : undefined)
const isOfNetwork = (error: Error) =>
  /^(?:E[A-Z]+|ERR_[A-Z_]+|UND_[A-Z_]+|REQUEST_SEND_ERROR)$/.test(networkCode(error) ?? '')
