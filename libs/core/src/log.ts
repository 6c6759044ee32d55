/** Structured logging: facts first, then a sentence. Never row contents, never secrets. */
export type LogMethod = (facts: Readonly<Record<string, unknown>>, message: string) => void

export type Log = {
  readonly debug: LogMethod
  readonly info: LogMethod
  readonly warn: LogMethod
  readonly error: LogMethod
  /** A log whose every line also carries these facts. */
  child(facts: Readonly<Record<string, unknown>>): Log
}

/** Discards everything: for tests and for commands whose output is for people. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silentLog }
