/** One object in the lake. */
export type LakeObject = {
  /** Lake path: `raw/files/catalogue/titles/2026-03-01/titles.csv`, no leading slash. */
  readonly path: string
  readonly sizeBytes: number
  readonly modifiedAt: Date
  /** Lowercase hex. Only of `stat`, where the lake keeps it with the object and it need not be read to know it. */
  readonly sha256?: string
}

export type CallOptions = { readonly signal?: AbortSignal }

export type Written = { readonly sizeBytes: number; /** lowercase hex */ readonly sha256: string }

/** A lake object as a file on this machine, for engines that read files. Dispose it when it has been read. */
export interface LocalFile extends AsyncDisposable {
  /** Absolute path on the local disk. Read only. */
  readonly file: string
}

/** Several of them. */
export interface LocalFiles extends AsyncDisposable {
  /** In the order in which they were asked for. */
  readonly files: readonly string[]
}

/**
 * The files of the data lake. Every write becomes visible in one step; nothing half-written is ever read.
 * Paths use `/`, have no empty, `.` or `..` segments; anything else fails with `LAKE_PATH_INVALID`.
 *
 * @throws {LakeUnavailableError} transient: the storage does not answer, the disk is full or may not be used
 */
export interface Lake extends AsyncDisposable {
  /** Where it is, without credentials, for logs and for people. */
  readonly location: string

  /**
   * Folders of this machine, by absolute path, in which `download` and `scratch` have their files: an engine that reads
   * these reads and writes nowhere else.
   */
  readonly localDirectories: readonly string[]

  /** @returns undefined where there is no object */
  stat(path: string, options?: CallOptions): Promise<LakeObject | undefined>

  /**
   * The bytes from `start` up to and without `end`; what lies beyond the object's end is empty. All are of one version: a
   * large object that is replaced while it is read is the old one, or a LakeUnavailableError.
   * @throws {LakeObjectMissingError} terminal
   * @throws {LAKE_OBJECT_CORRUPT} transient
   */
  read(
    path: string,
    options?: CallOptions & { readonly start?: number; readonly end?: number },
  ): AsyncIterable<Uint8Array>

  /** A small object as text (at most 64 MiB). @returns undefined where there is no object */
  readText(path: string, options?: CallOptions): Promise<string | undefined>

  /** Atomic: of any number of concurrent callers exactly one gets `created`. */
  putIfAbsent(path: string, content: string | Uint8Array, options?: CallOptions): Promise<'created' | 'exists'>

  /** Atomic replace of a small object. For pointers that only speed things up (`_last_checkpoint`). */
  put(path: string, content: string | Uint8Array, options?: CallOptions): Promise<void>

  /** Streams an object of any size into the lake; replaces what is there. Visible when the promise resolves, not before. */
  write(path: string, content: AsyncIterable<Uint8Array>, options?: CallOptions): Promise<Written>

  /**
   * Streams an object of any size into the lake unless there is one. Atomic: of any number of concurrent callers exactly
   * one gets `created`; the others learn size and digest of what they brought, which is then nowhere.
   */
  writeIfAbsent(
    path: string,
    content: AsyncIterable<Uint8Array>,
    options?: CallOptions,
  ): Promise<Written & { readonly outcome: 'created' | 'exists' }>

  /** Brings a local file into the lake, replacing what is there; the local file may be moved away. */
  upload(localFile: string, path: string, options?: CallOptions): Promise<void>

  /**
   * The object as a local file: in place where the lake is a directory, else copied into bounded scratch space. The
   * local path ends with the object's.
   * @throws see `downloadAll`
   */
  download(path: string, options?: CallOptions): Promise<LocalFile>

  /**
   * The same with all objects that are needed at once: all of them or none. Who asked for them one by one would hold some
   * and wait for room for the others, perhaps for somebody who does the same.
   * @throws {LakeObjectMissingError} terminal
   * @throws {LAKE_SCRATCH_FULL} transient: all the room is taken by copies that are in use
   * @throws {LAKE_SCRATCH_TOO_SMALL} terminal: they would not fit into all the room
   */
  downloadAll(paths: readonly string[], options?: CallOptions): Promise<LocalFiles>

  /** A new local scratch directory for an engine to write into, on a disk from which `upload` is cheap. Removed on dispose. */
  scratch(): Promise<AsyncDisposable & { readonly directory: string }>

  /**
   * Every object below a folder, in order of path. Nothing where there is no such folder.
   * @param folder `''` is the whole lake
   */
  list(
    folder: string,
    options?: CallOptions & { /** Lake path; only objects after it are listed. */ readonly startAfter?: string },
  ): AsyncIterable<LakeObject>

  /** True when there was something to delete. */
  delete(path: string, options?: CallOptions): Promise<boolean>
}
