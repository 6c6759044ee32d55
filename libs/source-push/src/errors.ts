import { defineErrors, terminal, TerminalError, transient, TransientError } from '@cinelake/core'

/** The target of a push. */
export type PushPlace = { readonly source: string; readonly dataset: string }

const at = ({ source, dataset }: PushPlace) => `source=${source} dataset=${dataset}`

export const pushErrors = defineErrors({
  /** Neither key nor token is accepted for the source. Also for a source that does not exist: unauthenticated clients learn no names. */
  PUSH_UNAUTHORIZED: terminal(() => [
    'push is refused: expected a key of the source as `X-API-Key`, or a token that it takes as `Authorization: Bearer …`, got neither; ask those who run the platform for one, and check the name of the source',
    {},
  ]),

  /** A valid token of a client that may not push. */
  PUSH_FORBIDDEN: terminal((source: string, lacks: string) => [
    `push is refused [source=${source}]: expected a token with ${lacks}, got one without; have it assigned`,
    {
      source,
      lacks,
    },
  ]),

  /** The keys that tokens are signed with cannot be fetched at present. */
  PUSH_KEYS_AWAY: transient((source: string) => [
    `token cannot be checked now [source=${source}]: expected the issuer to give the keys that it signs with, got no usable answer; send it again`,
    { source },
  ]),

  PUSH_DATASET_MISSING: terminal((place: PushPlace) => [
    `push has no place [${at(place)}]: expected a dataset of the source, got another name; correct the address`,
    {
      ...place,
    },
  ]),

  PUSH_MISSING: terminal((place: PushPlace, id: string) => [
    `push is not known [${at(place)} id=${id}]: expected an id that a push was answered with, got another`,
    {
      ...place,
      id,
    },
  ]),

  /** A header with a value that is not supported. */
  PUSH_HEADER_INVALID: terminal((header: string, expected: string) => [
    `push is refused [header=${header}]: expected ${expected}, got something else; correct the header`,
    {
      header,
    },
  ]),

  PUSH_TYPE_UNKNOWN: terminal((header: string, expected: string) => [
    `push is refused [header=${header}]: expected ${expected}, got something else; send it in one of these forms`,
    {
      header,
    },
  ]),

  /** One idempotency key for two different bodies. */
  PUSH_KEY_REUSED: terminal((place: PushPlace) => [
    `idempotency key is taken [${at(place)}]: expected the same body as the push before it with this key, got another; send it with a key of its own`,
    { ...place },
  ]),

  /** The connection ended before the body did. No client receives this error; it is for the log. */
  PUSH_CUT: transient(() => [
    'push ended before its body did: expected the rest, got the end of the connection; nothing of it has landed',
    {},
  ]),

  /** The lake's record of a push does not have the form that this program writes. */
  PUSH_RECORD_CORRUPT: terminal((path: string) => [
    `what the lake says of a push is corrupt [path=${path}]: expected what a push leaves there, got something else; restore the object`,
    { path },
  ]),
})

/** A body that is not valid in its declared format. Names the position, never the content. */
export class PushBodyError extends TerminalError {
  readonly code = 'PUSH_BODY_INVALID'
  /** What is wrong, without the consequence. */
  readonly fault: string

  /** @param where `record 17`, `line 5`, `the body` */
  constructor(where: string, expected: string, got: string) {
    super(`push is refused [where=${where}]: expected ${expected}, got ${got}; nothing of it has landed`, { where })
    this.fault = `${where}: expected ${expected}, got ${got}`
  }
}

export class PushTooLargeError extends TerminalError {
  readonly code = 'PUSH_TOO_LARGE'
  /** What is wrong, without the consequence. */
  readonly fault: string

  constructor(what: string, limitBytes: number) {
    super(
      `push is too large: expected ${what} of at most ${limitBytes} bytes, got more; nothing of it has landed; send it in parts, each with a key of its own`,
      { what, limitBytes },
    )
    this.fault = `expected ${what} of at most ${limitBytes} bytes, got more`
  }
}

/** Too many pushes concurrently, or in a period. */
export class PushLimitedError extends TransientError {
  readonly code = 'PUSH_LIMITED'
  readonly waitSeconds: number

  constructor(source: string, waitMs: number) {
    const waitSeconds = Math.max(1, Math.ceil(waitMs / 1000))
    super(`too many pushes [source=${source}]: expected fewer; send it again in ${waitSeconds} s`, {
      source,
      waitSeconds,
    })
    this.waitSeconds = waitSeconds
  }
}

/** A body that arrives below the minimum rate. */
export class PushTooSlowError extends TransientError {
  readonly code = 'PUSH_TOO_SLOW'

  constructor(bytesPerSecond: number) {
    super(
      `push comes too slowly: expected at least ${bytesPerSecond} bytes a second on average, got less; nothing of it has landed; send it again, in parts if the line is slow`,
      { bytesPerSecond },
    )
  }
}
