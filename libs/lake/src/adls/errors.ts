import { CancelledError, PipelineError } from '@cinelake/core'
import { RestError } from '@azure/storage-blob'
import { translate as translateFileSystem, type Doing } from '../directory/errors.ts'
import { lakeErrors, LakeObjectMissingError, LakeUnavailableError } from '../errors.ts'

/** The received bytes do not match their checksum. A retry may succeed. */
export class DamagedAnswer extends Error {}

/** A truncated answer. */
export class CutAnswer extends Error {}

const CONTRIBUTOR = 'give this identity the role "Storage Blob Data Contributor" on the container'

/**
 * The remedy for each of Azure's error codes.
 * Source: learn.microsoft.com/…/rest/api/storageservices/common-rest-api-error-codes and …/blob-service-error-codes
 */
const REMEDIES: Readonly<Record<string, string>> = {
  AuthorizationPermissionMismatch: `the identity may not do this: ${CONTRIBUTOR}; it takes some minutes to work (a shared access signature needs the permissions racwdl)`,
  InsufficientAccountPermissions: `the identity may not do this: ${CONTRIBUTOR}`,
  AuthorizationFailure: `the account's firewall keeps this network out, or the identity may not do this: allow the network, or ${CONTRIBUTOR}`,
  AuthenticationFailed:
    'the key, token or shared access signature was not accepted: check that it belongs to this account and has not expired, and that the clock of this machine is right',
  InvalidAuthenticationInfo: 'the token was not accepted: check the tenant, and the clock of this machine',
  NoAuthenticationInformation:
    'nothing was sent to sign in with: set a connection string or a signature, or run with an identity',
  KeyBasedAuthenticationNotPermitted: `the account accepts no keys: leave the connection string out, and ${CONTRIBUTOR}`,
  PublicAccessNotPermitted: `nothing was sent to sign in with: ${CONTRIBUTOR}`,
  ContainerNotFound: 'the container is not there: create it, or correct CINELAKE_LAKE',
  FilesystemNotFound: 'the container is not there: create it, or correct CINELAKE_LAKE',
  ContainerBeingDeleted: 'the container is being deleted: create it again',
  ContainerDisabled: 'the container was disabled by an administrator',
  AccountIsDisabled: 'the storage account is disabled: check the subscription',
  ServerBusy: 'the storage account is at its limit: the next attempt resumes; lower the concurrency if it stays',
  OperationTimedOut: 'the storage account did not answer in time: the next attempt resumes',
  InternalError: 'Azure reports a fault of its own: the next attempt resumes',
  ConditionNotMet: 'the object was replaced while it was in use: the next attempt takes the new one',
  LeaseIdMissing: 'another program holds a lease on the object: let it end',
  InvalidBlobOrBlock:
    'another program left unfinished blocks at this path: put any object there, delete it, and the next attempt resumes',
  ENOTFOUND: 'the name of the storage account does not resolve: check CINELAKE_LAKE and the DNS',
  ECONNREFUSED: 'nothing listens there: check CINELAKE_LAKE, or start the emulator',
}

/** Codes that mean: something else exists at this path, or at one of its folders; or the name is not valid. */
const PATH_PROBLEMS: Readonly<Record<string, string>> = {
  ResourceTypeMismatch: 'there is a folder of that name, or a folder of the path is an object',
  PathConflict: 'there is a folder of that name, or a folder of the path is an object',
  PathIsDirectory: 'there is a folder of that name',
  InvalidResourceName: 'Azure refuses the name',
  InvalidUri: 'Azure refuses the name',
  OutOfRangeInput: 'Azure refuses the name',
}

/** HTTP status of Azure's answer; undefined where there was none. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof RestError ? error.statusCode : undefined
}

/** Azure's error code, or that of the network. */
export function storageErrorCode(error: unknown): string | undefined {
  if (!(error instanceof RestError)) return undefined
  const details: unknown = error.details
  const inBody =
    typeof details === 'object' && details !== null && 'errorCode' in details ? details.errorCode : undefined
  return error.code ?? (typeof inBody === 'string' ? inBody : undefined)
}

/** Whether Azure reports that there is no object at this path; a missing container is a different error. */
export function isMissing(error: unknown): boolean {
  return statusOf(error) === 404 && !/^(Container|Filesystem)/.test(storageErrorCode(error) ?? '')
}

/** Whether a condition failed because an object exists already. */
export function isTaken(error: unknown): boolean {
  const code = storageErrorCode(error)
  if (code === 'BlobAlreadyExists' || code === 'PathAlreadyExists') return true
  return statusOf(error) === 412 && (code === 'ConditionNotMet' || code === undefined)
}

/** Translates to the lake's errors. Errors that are not about the storage are returned unchanged. */
export function translate(error: unknown, doing: Doing): unknown {
  const { what, path, location } = doing
  if (error instanceof PipelineError) return error
  const unavailable = (reason: string, remedy: string) =>
    new LakeUnavailableError(`${what} ${path}`.trimEnd(), reason, location, remedy, { cause: withoutRequest(error) })
  if (!(error instanceof RestError)) return translateOther(error, doing, unavailable)
  const [status, code] = [statusOf(error), storageErrorCode(error)]
  const reason = code ?? (status === undefined ? 'no answer' : String(status))
  const problem = PATH_PROBLEMS[reason]
  if (problem !== undefined) return lakeErrors.LAKE_PATH_INVALID(path, problem, { cause: withoutRequest(error) })
  if (isMissing(error)) return new LakeObjectMissingError(path, location, { cause: withoutRequest(error) })
  return unavailable(reason, REMEDIES[reason] ?? remedyByStatus(status))
}

function translateOther(
  error: unknown,
  doing: Doing,
  unavailable: (reason: string, remedy: string) => LakeUnavailableError,
): unknown {
  if (!(error instanceof Error)) return error
  // Of @azure/identity, which is not imported here: it is loaded only where a token is needed.
  if (/^(CredentialUnavailable|AggregateAuthentication|AuthenticationRequired|Authentication)Error$/.test(error.name)) {
    return unavailable(
      'no token',
      'no identity could be signed in: check the workload identity or the credentials of this process',
    )
  }
  if (error instanceof CutAnswer || error.name === 'AbortError') {
    return unavailable('no answer', 'the storage did not answer, or not to the end: the next attempt resumes')
  }
  return translateFileSystem(error, doing)
}

function remedyByStatus(status: number | undefined): string {
  if (status === 401 || status === 403) return `the identity may not do this: ${CONTRIBUTOR}`
  if (status === 429 || status === 503) return 'the storage account is at its limit: the next attempt resumes'
  if (status === undefined) return 'the storage cannot be reached: check the network and CINELAKE_LAKE'
  return 'Azure refused it: see the cause'
}

/** Keeps the message and drops the request: its signature is as sensitive as a key. */
function withoutRequest(error: unknown): unknown {
  if (!(error instanceof RestError)) return error
  const [firstLine = ''] = error.message.split('\n', 1)
  return new Error(`${statusOf(error) ?? ''} ${storageErrorCode(error) ?? ''} ${withoutMarkup(firstLine)}`.trim())
}

function withoutMarkup(text: string): string {
  return text.startsWith('<') || text.startsWith('{') ? '' : text.replaceAll(/\bsig=[^&\s]+/g, 'sig=…')
}

export function cancelled(what: string, cause: unknown): CancelledError {
  return cause instanceof CancelledError ? cause : new CancelledError(what, { cause })
}
