/** One object in the lake. */
export type LakeObject = {
  /** Lake path: `raw/files/catalogue/titles/2026-03-01/titles.csv`, no leading slash. */
  readonly path: string
  readonly sizeBytes: number
  readonly modifiedAt: Date
  /** Lowercase hex. Only from `stat`, where the lake stores it with the object and need not read the object. */
  readonly sha256?: string
}

export type CallOptions = { readonly signal?: AbortSignal }

export type Written = { readonly sizeBytes: number; /** lowercase hex */ readonly sha256: string }

/** A lake object as a local file, for engines that read files. Dispose it when it has been read. */
export interface LocalFile extends AsyncDisposable {
  /** Absolute path on the local disk. Read only. */
  readonly file: string
}

/** Several of them. */
export interface LocalFiles extends AsyncDisposable {
  /** In the order of the requests. */
  readonly files: readonly string[]
}

/**
 * The files of the data lake. Every write becomes visible in one step; nothing half-written is ever read.
 * Paths use `/`, have no empty, `.` or `..` segments; anything else fails with `LAKE_PATH_INVALID`.
 *
 * @throws {LakeUnavailableError} transient: the storage does not answer, the disk is full or may not be used
 */
export interface Lake extends AsyncDisposable {
  /** Its address without credentials, for logs and display. */
  readonly location: string

  /**
   * Absolute paths of the local folders in which `download` and `scratch` place files: an engine needs access to no
   * others.
   */
  readonly localDirectories: readonly string[]

  /** @returns undefined where there is no object */
  stat(path: string, options?: CallOptions): Promise<LakeObject | undefined>

  /**
   * The bytes from `start` up to and without `end`; a range beyond the object's end is empty. All bytes are of one
   * version: reading a large object that is replaced meanwhile gives the old one, or a LakeUnavailableError.
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

  /** Atomic replace of a small object. For hints that only speed up reading (`_last_checkpoint`). */
  put(path: string, content: string | Uint8Array, options?: CallOptions): Promise<void>

  /**
   * Streams an object of any size into the lake; replaces an existing one. Visible when the promise resolves, not
   * before.
   */
  write(path: string, content: AsyncIterable<Uint8Array>, options?: CallOptions): Promise<Written>

  /**
   * Streams an object of any size into the lake unless there is one. Atomic: of any number of concurrent callers
   * exactly one gets `created`; the others get size and digest of their content, which is discarded.
   */
  writeIfAbsent(
    path: string,
    content: AsyncIterable<Uint8Array>,
    options?: CallOptions,
  ): Promise<Written & { readonly outcome: 'created' | 'exists' }>

  /** Uploads a local file into the lake, replacing an existing object; the local file may be moved away. */
  upload(localFile: string, path: string, options?: CallOptions): Promise<void>

  /**
   * The object as a local file: in place where the lake is a directory, otherwise copied into bounded scratch space.
   * The local path ends with the object's.
   * @throws see `downloadAll`
   */
  download(path: string, options?: CallOptions): Promise<LocalFile>

  /**
   * The same with all objects that are needed at once: all of them or none. Requesting them one by one could deadlock:
   * a caller would hold some while it waits for space, as might another caller.
   * @throws {LakeObjectMissingError} terminal
   * @throws {LAKE_SCRATCH_FULL} transient: the cache is full of copies that are in use
   * @throws {LAKE_SCRATCH_TOO_SMALL} terminal: they exceed the whole cache
   */
  downloadAll(paths: readonly string[], options?: CallOptions): Promise<LocalFiles>

  /**
   * A new local scratch directory for an engine to write into, on a disk from which `upload` is cheap. Removed on
   * dispose.
   */
  scratch(): Promise<AsyncDisposable & { readonly directory: string }>

  /**
   * Every object below a folder, in order of path. Empty where there is no such folder.
   * @param folder `''` is the whole lake
   */
  list(
    folder: string,
    options?: CallOptions & { /** Lake path; only objects after it are listed. */ readonly startAfter?: string },
  ): AsyncIterable<LakeObject>

  /** True when an object was deleted. */
  delete(path: string, options?: CallOptions): Promise<boolean>
}
