import type { DatabaseAddress } from './database-address.ts'
import type { DatabasePlace } from './errors.ts'

/** Says what an error of a driver means. @param doing what was being done: `list the tables` */
export type TranslateError = (error: unknown, doing: string) => unknown

/** `remedy`: what to do when the server refuses who signs in. */
export type TranslateOptions = { readonly signal: AbortSignal; readonly remedy: string }

/** Runs a call to the database; what it throws is translated once, here. */
export type DatabaseCall = <Result>(doing: string, run: () => Promise<Result>) => Promise<Result>

/** Where an address leads, for people: without the credentials. */
export function placeOf(source: string, { host, port, database }: DatabaseAddress): DatabasePlace {
  return { source, server: port === undefined ? host : `${host}:${port}`, database }
}

export function createDatabaseCall(translate: TranslateError, signal: AbortSignal): DatabaseCall {
  return async (doing, run) => {
    try {
      signal.throwIfAborted()
      return await run()
    } catch (error) {
      throw translate(error, doing)
    }
  }
}
