/** A file in a place, in the version that was found. */
export type PlaceFile = {
  /** Path below the place's folder, with `/`. */
  readonly name: string
  readonly sizeBytes: number
  /** When it was last written, in milliseconds since 1970. */
  readonly modifiedMs: number
  /** Differs for each content that the file had; undefined where a place has no such thing. */
  readonly etag?: string | undefined
}

/** Which files of a place are wanted. */
export type Selection = {
  /** The folder that all of them are in: '' or ending with `/`. */
  readonly prefix: string
  /** Whether wanted files can be in this folder, or in one below. @param folder without `/` at its end */
  opens(folder: string): boolean
  takes(name: string): boolean
  /** Every name that could be wanted, for places that cannot be listed; undefined where that is no finite number. */
  names(): readonly string[] | undefined
}

export type PlaceOptions = { readonly signal?: AbortSignal | undefined }

/**
 * A folder on a server: of a storage account, of a bucket, of an SFTP or an HTTP server. Names are paths below it. A
 * connection that is lost is opened again, and reading resumes where it was; what is refused is told at once.
 *
 * All calls fail with
 * - `PLACE_UNAVAILABLE` (transient): the server does not answer, or reports a fault of its own
 * - `PLACE_REFUSED` (terminal): it does not accept the credentials, or does not allow the call
 * - `PLACE_MISSING` (terminal): there is no such container, bucket or folder
 */
export interface FilePlace extends AsyncDisposable {
  /** For messages: never has a secret. */
  readonly location: string
  /** The wanted files, in any order. A folder that is not there has none, where the place has no folders of its own. */
  list(wanted: Selection, options?: PlaceOptions): AsyncIterable<PlaceFile>
  /** @returns undefined where there is no such file */
  stat(name: string, options?: PlaceOptions): Promise<PlaceFile | undefined>
  /**
   * The bytes of this version of a file, to the last one. Each chunk is valid until the next one is requested.
   * @throws {PlaceFileChangedError} transient: the file was written to, replaced or removed
   * @throws {PlaceFileForbiddenError} terminal: this file may not be read
   */
  read(file: PlaceFile, options?: PlaceOptions): AsyncIterable<Uint8Array>
  /**
   * Writes a file, which becomes visible whole or not at all, in the place of one of that name.
   * @throws {PLACE_READ_ONLY} terminal
   */
  write(name: string, content: AsyncIterable<Uint8Array>, options?: PlaceOptions): Promise<void>
  /**
   * Moves this version of a file to another name below the place, unless that name is taken.
   * @returns `gone`: there is no such version any more
   * @throws {PLACE_READ_ONLY} terminal
   */
  move(file: PlaceFile, to: string, options?: PlaceOptions): Promise<'moved' | 'taken' | 'gone'>
  /** Deletes this version of a file; does nothing where it is gone. @throws {PLACE_READ_ONLY} terminal */
  delete(file: PlaceFile, options?: PlaceOptions): Promise<void>
}
