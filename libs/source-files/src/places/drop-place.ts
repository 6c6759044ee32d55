import type { FilePattern, TimeRange } from '../file-pattern.ts'
import type { FileMisnamedError } from '../errors.ts'

/** A file of a place. */
export type FoundFile = {
  /** Path below the place, with `/`. */
  readonly name: string
  readonly sizeBytes: number
  /** Modification time in milliseconds since 1970, as set by the writer; copies may keep that of the original. */
  readonly modifiedMs: number
  /** Change time in milliseconds since 1970: when it last got a name, content or permissions there. */
  readonly changedMs: number
  /** Differs for each content that the file had; undefined where the place has no such thing. */
  readonly etag?: string | undefined
  /** In a folder of this machine: its real path, with every link resolved, which is below the folder as well. */
  readonly file?: string
}

export type FindOptions = {
  readonly signal?: AbortSignal | undefined
  /** The times that are of interest, for places that are asked for names. Files of other times may be listed as well. */
  readonly within: TimeRange
  /** Called for matching files that may not be read. Without it, they are an error. */
  readonly onForbidden?: ((name: string) => void) | undefined
  /** Called for matching files that cannot be landed under their name. Without it, they are an error. */
  readonly onMisnamed?: ((error: FileMisnamedError) => void) | undefined
  /** Called for matches that are neither a file nor a folder: a pipe, a socket, a device. */
  readonly onNoFile?: ((name: string) => void) | undefined
}

type CallOptions = { readonly signal?: AbortSignal | undefined }

type ReadOptions = CallOptions & {
  /** Whether the file must be as it was when it was found; otherwise a newer version may be read. */
  readonly asFound?: boolean
}

/** Where the files of a dataset are dropped: a folder of this machine, or one on a server. */
export interface DropPlace extends AsyncDisposable {
  /** For messages: never has a secret. */
  readonly location: string
  /** The files that match a pattern, in order of name. */
  list(pattern: FilePattern, options: FindOptions): Promise<FoundFile[]>
  /** @returns undefined where there is no such file */
  stat(name: string, options?: CallOptions): Promise<FoundFile | undefined>
  /**
   * The bytes of a file, which must not change until the last one has been read. Each chunk is valid until the next one
   * is requested.
   * @throws {FileForbiddenError} terminal
   * @throws {FileChangedError} transient
   */
  read(file: FoundFile, options?: ReadOptions): AsyncIterable<Uint8Array>
  /**
   * A text that is the same as long as a file has the same bytes, so that what was read once need not be read again;
   * undefined where the place cannot tell, or cannot yet.
   * @param now milliseconds since 1970
   */
  identityOf(file: FoundFile, now: number): string | undefined
  /**
   * Moves a file into the archive, or deletes it if there is none. Never overwrites a file: if the name is taken, a part
   * of the digest is added to it.
   */
  clear(file: FoundFile, sha256: string, options?: CallOptions): Promise<void>
  /** Why files cannot be cleared, as far as that can be told without trying; undefined if nothing speaks against it. */
  clearingProblem(): Promise<string | undefined>
  /** A file as one of this machine. @param directory for a copy, if it has to be made */
  localCopy(file: FoundFile, directory: string, options?: CallOptions): Promise<string>
}
