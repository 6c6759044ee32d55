import { defineErrors, terminal, TerminalError, transient, TransientError } from '@cinelake/core'

export const lakeErrors = defineErrors({
  /** An invalid path: a mistake of the caller, or an external name that has to be converted first. */
  LAKE_PATH_INVALID: terminal((path: string, problem: string) => [
    `lake path is not usable [path=${JSON.stringify(path)}]: ${problem}`,
    { path },
  ]),

  /** An object that is too large to be held in memory as text. */
  LAKE_OBJECT_TOO_LARGE: terminal((path: string, sizeBytes: number, limitBytes: number) => [
    `lake object is too large to read as text [path=${path}]: expected at most ${limitBytes} bytes, got ${sizeBytes}; read it as a stream`,
    { path, sizeBytes, limitBytes },
  ]),

  /**
   * The bytes read differ from the bytes written: damaged in transit, or in the storage. A retry may show which; if it
   * persists, the object has to be written again.
   */
  LAKE_OBJECT_CORRUPT: transient((path: string, expected: string, actual: string) => [
    `lake object is corrupt [path=${path}]: expected ${expected}, got ${actual}; ` +
      'the next attempt reads it again, and if that does not help, run the task again that makes it',
    { path, expected, actual },
  ]),

  /** The local file cache is full. */
  LAKE_SCRATCH_FULL: transient((path: string, sizeBytes: number, limitBytes: number, waitedMs: number) => [
    `no room for a local copy [path=${path}, sizeBytes=${sizeBytes}]: expected room within ${waitedMs} ms, got none, ` +
      `as other copies of ${limitBytes} bytes in all are in use; raise CINELAKE_SCRATCH_MIB or lower the concurrency`,
    { path, sizeBytes, limitBytes },
  ]),

  /**
   * Objects that are needed at once exceed the whole local file cache.
   * @param path the largest of them
   */
  LAKE_SCRATCH_TOO_SMALL: terminal((path: string, objectCount: number, sizeBytes: number, limitBytes: number) => [
    `lake objects do not fit into the room for local copies [largest=${path} objectCount=${objectCount}]: ` +
      `expected at most ${limitBytes} bytes, got ${sizeBytes}; raise CINELAKE_SCRATCH_MIB`,
    { path, objectCount, sizeBytes, limitBytes },
  ]),
})

/** An object that a manifest or a table's log names does not exist. */
export class LakeObjectMissingError extends TerminalError {
  readonly code = 'LAKE_OBJECT_MISSING'

  constructor(path: string, location: string, options?: ErrorOptions) {
    super(
      `lake object is missing [path=${path}, lake=${location}]: expected an object, got none; ` +
        'it was deleted or never landed: put it back from a copy, or run the window again that made it (`cinelake run DIR --window WINDOW --again`)',
      { path, lake: location },
      options,
    )
  }
}

/** The storage is unavailable, full, or denies access. */
export class LakeUnavailableError extends TransientError {
  readonly code = 'LAKE_UNAVAILABLE'

  /**
   * @param doing the operation, as a phrase: `write raw/x.csv`
   * @param reason the storage's own code: `ENOSPC`, `503`
   * @param remedy the action for an operator
   */
  constructor(doing: string, reason: string, location: string, remedy: string, options?: ErrorOptions) {
    super(
      `lake is unavailable [lake=${location}, reason=${reason}]: could not ${doing}; ${remedy}`,
      { lake: location, reason },
      options,
    )
  }
}
