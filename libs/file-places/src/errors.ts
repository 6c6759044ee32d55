import { defineErrors, TerminalError, terminal, TransientError } from '@cinelake/core'

export const placeErrors = defineErrors({
  /** The address of a place, or what is declared about it, cannot be used. */
  PLACE_ADDRESS_INVALID: terminal((problem: string) => [`place of files cannot be used: ${problem}`, { problem }]),

  /** The container, bucket or folder does not exist. */
  PLACE_MISSING: terminal((location: string, found: string) => [
    `place of files is not there [place=${location}]: expected a folder, got ${found}; correct the source's \`path\`, or create it`,
    { place: location },
  ]),

  /** The host key of an SFTP server is not the declared one. @param seen fingerprints, with their algorithms */
  PLACE_HOST_KEY_UNKNOWN: terminal((location: string, seen: string) => [
    `server has another host key [place=${location}]: expected the declared one, got ${seen}; nothing was sent to it: ` +
      'ask who runs the server whether its key was changed, and only then put this fingerprint at `hostKey`',
    { place: location, seen },
  ]),

  /** Files there can only be read. */
  PLACE_READ_ONLY: terminal((location: string) => [
    `files there can only be read [place=${location}]: expected a place whose files can be written, moved or deleted; ` +
      'leave `afterLanding` out',
    { place: location },
  ]),
})

/** A server that does not answer, or reports a fault of its own. */
export class PlaceUnavailableError extends TransientError {
  readonly code = 'PLACE_UNAVAILABLE'

  constructor(location: string, reason: string, remedy = 'the next attempt tries again', options?: ErrorOptions) {
    super(
      `place of files does not answer [place=${location} reason=${reason}]: expected an answer to the end; ${remedy}`,
      { place: location, reason },
      options,
    )
  }
}

/** Credentials that are not accepted, or that do not allow a call. They may have been replaced meanwhile. */
export class PlaceRefusedError extends TerminalError {
  readonly code = 'PLACE_REFUSED'

  constructor(location: string, reason: string, remedy: string, options?: ErrorOptions) {
    super(
      `place of files refuses access [place=${location} reason=${reason}]: expected to be let in; ${remedy}`,
      { place: location, reason },
      options,
    )
  }
}

/** A file that was written to, replaced or removed since it was found. */
export class PlaceFileChangedError extends TransientError {
  readonly code = 'PLACE_FILE_CHANGED'
  /** How, as a part of a sentence. */
  readonly change: string

  constructor(location: string, name: string, change: string) {
    super(
      `file changed while it was being read [place=${location} name=${name}]: expected it to stay as it was, but ${change}; ` +
        'the next attempt reads it again',
      { place: location, name, change },
    )
    this.change = change
  }
}

/** A file that may be seen and not read. */
export class PlaceFileForbiddenError extends TerminalError {
  readonly code = 'PLACE_FILE_FORBIDDEN'

  constructor(location: string, name: string, reason: string) {
    super(
      `file may not be read [place=${location} name=${name} reason=${reason}]: expected a file that these credentials may read; ` +
        'give them the right to',
      { place: location, name, reason },
    )
  }
}
