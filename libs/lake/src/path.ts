import { lakeErrors } from './errors.ts'

/** Bytes of UTF-8 in one segment. The limit of ext4, XFS, APFS and NTFS alike (NAME_MAX in limits.h). */
const MAX_SEGMENT_BYTES = 255

/**
 * Bytes of UTF-8 in a path. Azure allows 1,024 characters in a blob's name. Source:
 * learn.microsoft.com/…/naming-and-referencing-containers--blobs--and-metadata
 */
const MAX_PATH_BYTES = 1024

/**
 * Rejects invalid lake paths, so that an external name can never escape the lake.
 * @throws {LAKE_PATH_INVALID}
 */
export function checkPath(path: string): void {
  const problem = pathProblem(path)
  if (problem !== undefined) throw lakeErrors.LAKE_PATH_INVALID(path, problem)
}

/** A folder is a path as well, or the empty text for the whole lake. */
export function checkFolder(folder: string): void {
  if (folder !== '') checkPath(folder)
}

/** Why a path is invalid, as a phrase; undefined if it is valid. */
export function pathProblem(path: string): string | undefined {
  if (path === '') return 'expected a path, got an empty text'
  if (path.startsWith('/')) return 'expected a path without a leading slash'
  if (/[\p{Cc}\\]/u.test(path)) return 'expected no control characters and no backslashes'
  if (Buffer.byteLength(path) > MAX_PATH_BYTES)
    return `expected at most ${MAX_PATH_BYTES} bytes, got ${Buffer.byteLength(path)}`
  for (const segment of path.split('/')) {
    if (segment === '') return 'expected no empty segments (`//`, or a slash at the end)'
    if (segment === '.' || segment === '..') return 'expected no `.` or `..` segments'
    if (Buffer.byteLength(segment) > MAX_SEGMENT_BYTES)
      return `expected segments of at most ${MAX_SEGMENT_BYTES} bytes, got ${Buffer.byteLength(segment)}`
  }
  if (path === SCRATCH || path.startsWith(`${SCRATCH}/`)) return `\`${SCRATCH}\` is kept for unfinished files`
  return undefined
}

/** The folder for unfinished files. Never listed, never readable as part of the lake. */
export const SCRATCH = '.scratch'
