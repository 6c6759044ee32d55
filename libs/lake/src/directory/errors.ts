import { CancelledError } from '@cinelake/core'
import { lakeErrors, LakeUnavailableError } from '../errors.ts'

/** The remedies for a file system's error codes; codes from errno(3). */
const REMEDIES: Readonly<Record<string, string>> = {
  ENOENT: 'a folder was removed while it was in use: the next attempt makes it again',
  ENOSPC: 'the disk is full: make room and the next attempt resumes',
  EDQUOT: 'the disk quota is used up: make room and the next attempt resumes',
  EACCES: 'the process may not do this: check the owner and the permissions of the folder',
  EPERM: 'the file system does not allow this: check permissions, and that it supports hard links',
  EROFS: 'the file system is mounted read-only',
  EMFILE: 'the process has too many files open: raise `ulimit -n` or lower the concurrency',
  ENFILE: 'the machine has too many files open: raise `fs.file-max`',
  EIO: 'the disk reports an input/output error: check its health',
  EBUSY: 'the file is in use by the system',
  ENODEV: 'the device is gone: check the mount',
  ENXIO: 'the device is gone: check the mount',
  ESTALE: 'the network file system was remounted: the next attempt opens it again',
  ETIMEDOUT: 'the network file system does not answer',
  ENOTSUP: 'the file system does not support this: use one with hard links',
  EOPNOTSUPP: 'the file system does not support this: use one with hard links',
  ENOLCK: 'the network file system has no locks left',
}

/** Codes that mean: the name is invalid, or an object exists where a folder is needed. */
const PATH_PROBLEMS: Readonly<Record<string, string>> = {
  ENOTDIR: 'a folder of the path is an object',
  EEXIST: 'a folder of the path is an object',
  EISDIR: 'there is a folder of that name',
  ENOTEMPTY: 'there is a folder of that name',
  ENAMETOOLONG: 'the name is too long for this file system',
  EILSEQ: 'the name has characters that this file system refuses',
}

/** The operation that failed. */
export type Doing = { readonly what: string; readonly path: string; readonly location: string }

/** The code of a file system error, or undefined. */
export function fileErrorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** Whether an error means that there is no object of this name. */
export function isMissing(error: unknown): boolean {
  const code = fileErrorCode(error)
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR'
}

/** Translates to the lake's errors. Errors that are not about the storage are returned unchanged. */
export function translate(error: unknown, { what, path, location }: Doing): unknown {
  const code = fileErrorCode(error)
  if (error instanceof Error && error.name === 'AbortError')
    return new CancelledError(`${what} ${path}`, { cause: error })
  if (code === undefined) return error
  const problem = PATH_PROBLEMS[code]
  if (problem !== undefined) return lakeErrors.LAKE_PATH_INVALID(path, problem, { cause: error })
  const remedy = REMEDIES[code]
  if (remedy !== undefined) return new LakeUnavailableError(`${what} ${path}`, code, location, remedy, { cause: error })
  return error
}
