import { isAbsolute, resolve } from 'node:path'
import {
  fileErrors,
  FileForbiddenError,
  FileLockedError,
  FileUnreadableError,
  SourceFolderUnusableError,
} from './errors.ts'

/** The errno(3) codes that are configuration errors, with their meaning: a retry gives the same result. */
const FOLDER_PROBLEMS: Readonly<Record<string, readonly [found: string, remedy: string]>> = {
  ENOENT: ['nothing of that name', "correct the source's `path`, or mount the disk that it is on"],
  ENOTDIR: ['a path through a file', "correct the source's `path`"],
  EACCES: ['a refusal', 'let the user that this agent runs as list the folder'],
  EPERM: ['a refusal', 'let the user that this agent runs as list the folder'],
  ELOOP: ['a circle of links (ELOOP)', "correct the source's `path` or the links on its way"],
  ENAMETOOLONG: ['a name that is too long', "correct the source's `path`"],
}

/** The codes that Windows, shares and running programs return for a file that another program has open. */
const LOCKED: ReadonlySet<string> = new Set(['EBUSY', 'ETXTBSY', 'EAGAIN'])

/** The code of a file system error, or undefined. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** Translates an error of listing a folder. Other errors are returned unchanged. */
export function folderError(error: unknown, source: string, folder: string): unknown {
  const code = codeOf(error)
  if (code === undefined) return error
  const problem = FOLDER_PROBLEMS[code]
  if (problem === undefined) return fileErrors.FILES_FOLDER_AWAY(source, resolve(folder), code, { cause: error })
  const [found, remedy] = problem
  return unusableFolder(source, folder, [found, remedy], { cause: error })
}

/** Names a folder by its absolute path: a relative path depends on the program. */
export function unusableFolder(
  source: string,
  folder: string,
  [found, remedy]: readonly [found: string, remedy: string],
  options?: ErrorOptions,
): SourceFolderUnusableError {
  const how = isAbsolute(folder) ? '' : ` (\`${folder}\` is relative to where this program was started)`
  return new SourceFolderUnusableError(source, resolve(folder), `${found}${how}`, remedy, options)
}

/** Translates an error of examining or reading a file. Other errors are returned unchanged. */
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
