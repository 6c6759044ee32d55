import { isAbsolute, resolve } from 'node:path'
import {
  fileErrors,
  FileForbiddenError,
  FileLockedError,
  FileUnreadableError,
  SourceFolderUnusableError,
} from './errors.ts'

/** What the codes of errno(3) mean for somebody who configured a folder: another try finds the same. */
const FOLDER_PROBLEMS: Readonly<Record<string, readonly [found: string, remedy: string]>> = {
  ENOENT: ['nothing of that name', "correct the source's `path`, or mount the disk that it is on"],
  ENOTDIR: ['a path through a file', "correct the source's `path`"],
  EACCES: ['a refusal', 'let the user that this agent runs as list the folder'],
  EPERM: ['a refusal', 'let the user that this agent runs as list the folder'],
  ELOOP: ['a circle of links (ELOOP)', "correct the source's `path` or the links on its way"],
  ENAMETOOLONG: ['a name that is too long', "correct the source's `path`"],
}

/** What Windows, shares and running programs say about a file that somebody else has open. */
const LOCKED: ReadonlySet<string> = new Set(['EBUSY', 'ETXTBSY', 'EAGAIN'])

/** The code of a file system error, or undefined. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** Why a folder could not be listed. What the file system did not say comes back as it is. */
export function folderError(error: unknown, source: string, folder: string): unknown {
  const code = codeOf(error)
  if (code === undefined) return error
  const problem = FOLDER_PROBLEMS[code]
  if (problem === undefined) return fileErrors.FILES_FOLDER_AWAY(source, resolve(folder), code, { cause: error })
  const [found, remedy] = problem
  return unusableFolder(source, folder, [found, remedy], { cause: error })
}

/** Says where a folder was looked for, as an absolute path: a relative one is another for each program. */
export function unusableFolder(
  source: string,
  folder: string,
  [found, remedy]: readonly [found: string, remedy: string],
  options?: ErrorOptions,
): SourceFolderUnusableError {
  const how = isAbsolute(folder) ? '' : ` (\`${folder}\` is relative to where this program was started)`
  return new SourceFolderUnusableError(source, resolve(folder), `${found}${how}`, remedy, options)
}

/** Why a file could not be looked at or read. What the file system did not say comes back as it is. */
export function fileError(error: unknown, source: string, name: string): unknown {
  const code = codeOf(error)
  if (code === undefined || !(error instanceof Error) || !('syscall' in error)) return error
  if (code === 'EACCES' || code === 'EPERM') {
    return new FileForbiddenError(source, name, 'a refusal', 'let the user that this agent runs as read it', {
      cause: error,
    })
  }
  if (LOCKED.has(code)) return new FileLockedError(source, name, code, { cause: error })
  return new FileUnreadableError(source, name, code, { cause: error })
}
