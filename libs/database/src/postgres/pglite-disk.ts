import { reasonOf } from '@cinelake/core'
import { databaseErrors } from '../errors.ts'

/** Numbers of errors in WebAssembly, where PGlite runs. Source: github.com/WebAssembly/WASI, `errno` of snapshot preview 1 */
const WASI_ERRORS: Readonly<Record<number, string>> = {
  2: 'EACCES',
  19: 'EDQUOT',
  29: 'EIO',
  33: 'EMFILE',
  51: 'ENOSPC',
  63: 'EPERM',
  69: 'EROFS',
}
const OF_THE_DISK = new Set(Object.values(WASI_ERRORS))

/** The code of an error of the file system. PGlite also throws objects that are no errors, with `errno`. */
export function systemCodeOf(thrown: unknown): string | undefined {
  if (typeof thrown !== 'object' || thrown === null) return undefined
  if ('code' in thrown && typeof thrown.code === 'string') return thrown.code
  return 'errno' in thrown && typeof thrown.errno === 'number' ? WASI_ERRORS[thrown.errno] : undefined
}

/** The error of a disk that is full or may not be used; undefined for every other. PostgreSQL says it in words. */
export function fileSystemError(directory: string, thrown: unknown): Error | undefined {
  const code = systemCodeOf(thrown) ?? ''
  if (code === 'ENOSPC' || code === 'EDQUOT' || /no space left/i.test(reasonOf(thrown))) {
    return databaseErrors.WAREHOUSE_DISK_FULL(directory, { cause: thrown })
  }
  return OF_THE_DISK.has(code)
    ? databaseErrors.WAREHOUSE_DIRECTORY_UNUSABLE(directory, code, { cause: thrown })
    : undefined
}
