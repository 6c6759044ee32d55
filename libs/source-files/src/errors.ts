import { CancelledError, TerminalError, TransientError, defineErrors, terminal, transient } from '@cinelake/core'
import { isAbsolute, resolve } from 'node:path'

export const fileErrors = defineErrors({
  /** A dataset's file pattern is invalid. */
  FILES_PATTERN_INVALID: terminal((pattern: string, problem: string) => [
    `file pattern is not usable [files=${pattern}]: ${problem}`,
    { files: pattern, problem },
  ]),

  /** The folder of a source is on a disk or a share that fails or does not answer. */
  FILES_FOLDER_AWAY: transient((source: string, folder: string, reason: string) => [
    `folder could not be listed [source=${source} folder=${folder} reason=${reason}]: expected all that is in it; ` +
      'check the disk or the share that it is on',
    { source, folder, reason },
  ]),

  /** The window has no file. Transient: the drop may be late. */
  FILES_MISSING: transient(
    (about: { source: string; dataset: string; folder: string; files: string; window: string }) => [
      `no file came for the window [source=${about.source} dataset=${about.dataset} window=${about.window}]: ` +
        `expected at least one file like ${about.files} below ${about.folder}, got none; ` +
        'put it there and run the window again, or say `whenMissing: skip` if days without a file are right',
      about,
    ],
  ),

  /** A link leads out of the source's folder. */
  FILES_OUTSIDE_SOURCE: terminal((source: string, folder: string, name: string) => [
    `link leads out of the source's folder [source=${source} name=${name}]: expected a file below ${folder}, got one elsewhere; ` +
      'put the file itself there, or make a source of the folder that it is in',
    { source, folder, name },
  ]),

  /** A file is not complete yet, as far as can be determined. */
  FILES_FILE_UNSTABLE: transient((source: string, name: string, expected: string, found: string) => [
    `file is not complete yet [source=${source} name=${name}]: expected ${expected}, got ${found}; ` +
      'the next attempt looks again; say `onProblem: { unstable: skip }` to continue without it',
    { source, name },
  ]),

  /** A file is empty. Transient: it may be filled soon. */
  FILES_FILE_EMPTY: transient((source: string, name: string) => [
    `file is empty [source=${source} name=${name}]: expected content, got 0 bytes; have it written again, ` +
      'or say `onProblem: { empty: land }` or `skip`',
    { source, name },
  ]),

  /** A claim in the lake does not have the form that agents write. */
  FILES_CLAIM_CORRUPT: terminal((path: string) => [
    `claim of a file is corrupt [path=${path}]: expected a claim of version 1, got something else; ` +
      'delete it and run the window again: the file then counts as never landed, unless its window has it',
    { path },
  ]),
})

/** The folder of a source does not exist, is not a folder, or may not be read. */
export class SourceFolderUnusableError extends TerminalError {
  readonly code = 'FILES_FOLDER_UNUSABLE'

  constructor(source: string, folder: string, found: string, remedy: string, options?: ErrorOptions) {
    super(
      `folder cannot be read [source=${source} folder=${folder}]: expected a folder that this agent may list, got ${found}; ${remedy}`,
      { source, folder },
      options,
    )
  }
}

/** The agent has no permission to read a file. */
export class FileForbiddenError extends TerminalError {
  readonly code = 'FILES_FILE_FORBIDDEN'

  constructor(source: string, name: string, found: string, remedy: string, options?: ErrorOptions) {
    super(
      `file cannot be read [source=${source} name=${name}]: expected a file that this agent may read, got ${found}; ${remedy}`,
      { source, name },
      options,
    )
  }
}

/** A file whose name is not valid in the lake. */
export class FileMisnamedError extends TerminalError {
  readonly code = 'FILES_FILE_MISNAMED'
  /** The name on the disk. */
  readonly file: string
  /** What is wrong with the name, and what to do. */
  readonly problem: string

  constructor(source: string, name: string, problem: string) {
    const shown = JSON.stringify(name)
    super(
      `file has a name that cannot be landed [source=${source} name=${shown}]: ${problem}; rename it, ` +
        'or say `onProblem: { misnamed: skip }` to continue without it',
      { source, name: shown },
    )
    this.file = name
    this.problem = `${problem}; rename it`
  }
}

/** A file that another program has locked: on Windows and on shares while it is written. */
export class FileLockedError extends TransientError {
  readonly code = 'FILES_FILE_LOCKED'

  constructor(source: string, name: string, reason: string, options?: ErrorOptions) {
    super(
      `file is locked [source=${source} name=${name} reason=${reason}]: expected no other program to hold it; ` +
        'the next attempt reads it; if it stays so, end the program that has it open',
      { source, name, reason },
      options,
    )
  }
}

/** A file that could not be read completely: a disk or a share fails. */
class FileUnreadableError extends TransientError {
  readonly code = 'FILES_FILE_UNREADABLE'

  constructor(source: string, name: string, reason: string, options?: ErrorOptions) {
    super(
      `file could not be read [source=${source} name=${name} reason=${reason}]: expected to read it to its end; ` +
        'check the disk or the share that it is on',
      { source, name, reason },
      options,
    )
  }
}

/** A file that was written to, replaced or removed while it was being read. */
export class FileChangedError extends TransientError {
  readonly code = 'FILES_FILE_CHANGED'

  constructor(source: string, name: string, change: string) {
    super(
      `file changed while it was being read [source=${source} name=${name}]: expected it to stay as it was, but ${change}; ` +
        'the next attempt reads it again; have it written under another name and renamed when it is complete',
      { source, name, change },
    )
  }
}

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
export function systemErrorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** Translates an error of listing a folder. Other errors are returned unchanged. */
export function folderError(error: unknown, source: string, folder: string): unknown {
  const code = systemErrorCode(error)
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
  const code = systemErrorCode(error)
  if (code === undefined || !(error instanceof Error) || !('syscall' in error)) return error
  if (code === 'EACCES' || code === 'EPERM') {
    return new FileForbiddenError(source, name, 'a refusal', 'let the user that this agent runs as read it', {
      cause: error,
    })
  }
  if (LOCKED.has(code)) return new FileLockedError(source, name, code, { cause: error })
  return new FileUnreadableError(source, name, code, { cause: error })
}

/** Files processed concurrently: enough to hide the latency of a disk or a network, few enough to keep their blocks in memory. */
export const FILES_AT_ONCE = 16

/** Timeout in milliseconds of a disk or a share: far more than a slow network takes for one block. */
const ANSWER_MS = 120_000

/**
 * The result of a file system call with a timeout. Such a call cannot be cancelled, and never ends on a share that hangs;
 * the caller stops waiting for it after the timeout, or when the signal is aborted.
 * @param late receives a result that arrives afterwards, to close it
 * @throws {CancelledError} the signal was aborted
 * @throws an error of the file system with the code ETIMEDOUT
 */
export async function withTimeout<T>(
  call: Promise<T>,
  {
    signal,
    late,
    answerMs = ANSWER_MS,
  }: {
    readonly signal?: AbortSignal | undefined
    readonly late?: (result: T) => void
    readonly answerMs?: number
  } = {},
): Promise<T> {
  const over = Promise.withResolvers<never>()
  const noAnswer = () =>
    over.reject(Object.assign(new Error(`no answer within ${answerMs} ms`), { code: 'ETIMEDOUT', syscall: 'wait' }))
  const stop = () => over.reject(new CancelledError('waiting for a file', { cause: signal?.reason }))
  const timer = setTimeout(noAnswer, answerMs)
  signal?.addEventListener('abort', stop, { once: true })
  if (signal?.aborted === true) stop()
  try {
    return await Promise.race([call, over.promise])
  } catch (error) {
    call.then(late, () => {})
    throw error
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', stop)
  }
}
