import { TerminalError, TransientError } from '@cinelake/core'

/** A path that no object can have: a mistake of the caller, or a name from outside that has to be changed first. */
export class LakePathError extends TerminalError {
  readonly code = 'LAKE_PATH_INVALID'

  constructor(path: string, problem: string, options?: ErrorOptions) {
    super(`lake path is not usable [path=${JSON.stringify(path)}]: ${problem}`, { path }, options)
  }
}

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

/** An object that is too large to be held in memory as text. */
export class LakeObjectTooLargeError extends TerminalError {
  readonly code = 'LAKE_OBJECT_TOO_LARGE'

  constructor(path: string, sizeBytes: number, limitBytes: number) {
    super(
      `lake object is too large to read as text [path=${path}]: expected at most ${limitBytes} bytes, got ${sizeBytes}; read it as a stream`,
      { path, sizeBytes, limitBytes },
    )
  }
}

/**
 * Bytes that were read are not those that were written: damaged on their way, or in the storage. Another try may tell;
 * if it stays, the object has to be made again.
 */
export class LakeObjectCorruptError extends TransientError {
  readonly code = 'LAKE_OBJECT_CORRUPT'

  constructor(path: string, expected: string, actual: string) {
    super(
      `lake object is corrupt [path=${path}]: expected ${expected}, got ${actual}; ` +
        'the next attempt reads it again, and if that does not help, run the task again that makes it',
      { path, expected, actual },
    )
  }
}

/** Local copies of lake objects take up all the room that they may. */
export class LakeScratchFullError extends TransientError {
  readonly code = 'LAKE_SCRATCH_FULL'

  constructor(path: string, sizeBytes: number, limitBytes: number, waitedMs: number) {
    super(
      `no room for a local copy [path=${path}, sizeBytes=${sizeBytes}]: expected room within ${waitedMs} ms, got none, ` +
        `as other copies of ${limitBytes} bytes in all are in use; raise CINELAKE_SCRATCH_MIB or lower the concurrency`,
      { path, sizeBytes, limitBytes },
    )
  }
}

/** Objects that are needed at once, and are larger than all the room for local copies. */
export class LakeScratchTooSmallError extends TerminalError {
  readonly code = 'LAKE_SCRATCH_TOO_SMALL'

  /** @param path the largest of them */
  constructor(path: string, objectCount: number, sizeBytes: number, limitBytes: number) {
    super(
      `lake objects do not fit into the room for local copies [largest=${path} objectCount=${objectCount}]: ` +
        `expected at most ${limitBytes} bytes, got ${sizeBytes}; raise CINELAKE_SCRATCH_MIB`,
      { path, objectCount, sizeBytes, limitBytes },
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
