import { defineErrors, terminal, TerminalError, transient, TransientError } from '@cinelake/core'

export const lakeErrors = defineErrors({
  /** A path that no object can have: a mistake of the caller, or a name from outside that has to be changed first. */
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
   * Bytes that were read are not those that were written: damaged on their way, or in the storage. Another try may tell;
   * if it stays, the object has to be made again.
   */
  LAKE_OBJECT_CORRUPT: transient((path: string, expected: string, actual: string) => [
    `lake object is corrupt [path=${path}]: expected ${expected}, got ${actual}; ` +
      'the next attempt reads it again, and if that does not help, run the task again that makes it',
    { path, expected, actual },
  ]),

  /** Local copies of lake objects take up all the room that they may. */
  LAKE_SCRATCH_FULL: transient((path: string, sizeBytes: number, limitBytes: number, waitedMs: number) => [
    `no room for a local copy [path=${path}, sizeBytes=${sizeBytes}]: expected room within ${waitedMs} ms, got none, ` +
      `as other copies of ${limitBytes} bytes in all are in use; raise CINELAKE_SCRATCH_MIB or lower the concurrency`,
    { path, sizeBytes, limitBytes },
  ]),

  /**
   * Objects that are needed at once, and are larger than all the room for local copies.
   * @param path the largest of them
   */
  LAKE_SCRATCH_TOO_SMALL: terminal((path: string, objectCount: number, sizeBytes: number, limitBytes: number) => [
    `lake objects do not fit into the room for local copies [largest=${path} objectCount=${objectCount}]: ` +
      `expected at most ${limitBytes} bytes, got ${sizeBytes}; raise CINELAKE_SCRATCH_MIB`,
    { path, objectCount, sizeBytes, limitBytes },
  ]),
})

/** An object that was named, by a manifest or a table's log, is not there. */
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

/** The storage does not answer, is full, or may not be used. */
export class LakeUnavailableError extends TransientError {
  readonly code = 'LAKE_UNAVAILABLE'

  /**
   * @param doing what was tried, in words: `write raw/x.csv`
   * @param reason the storage's own code: `ENOSPC`, `503`
   * @param remedy what a person can do about it
   */
  constructor(doing: string, reason: string, location: string, remedy: string, options?: ErrorOptions) {
    super(
      `lake is unavailable [lake=${location}, reason=${reason}]: could not ${doing}; ${remedy}`,
      { lake: location, reason },
      options,
    )
  }
}
