import { readdir, readFile, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { compare } from '@cinelake/config-text'

/** The text files of a pipeline. Paths are relative to its folder, with `/`. */
export interface PipelineFolder {
  /** @returns undefined if there is no such file */
  read(file: string): Promise<string | undefined>
  /** Names in a folder, in order; none if there is no such folder. */
  list(folder: string): Promise<string[]>
  /** Another pipeline's folder, by its path relative to this one. Undefined if none can be read from here. */
  readonly other?: (path: string) => PipelineFolder
}

/** A pipeline's folder on the disk. */
export function openFolder(root: string): PipelineFolder {
  return {
    async read(file) {
      const path = join(root, file)
      // Opening a named pipe blocks until a writer opens it, and a device may have no end.
      const found = await unlessMissing(stat(path))
      return found?.isFile() === true ? await unlessMissing(readFile(path, 'utf8')) : undefined
    },
    async list(folder) {
      return [...((await unlessMissing(readdir(join(root, folder)))) ?? [])].sort(compare)
    },
    other: (path) => openFolder(resolve(root, path)),
  }
}

/** A missing file is not an error here: it is reported at the place that refers to it. */
async function unlessMissing<Result>(reading: Promise<Result>): Promise<Result | undefined> {
  try {
    return await reading
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR') return undefined
    throw error
  }
}
