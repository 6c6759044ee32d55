import type { DatabaseAddress } from './database-address.ts'
import type { DatabasePlace } from './errors.ts'

/** Translates an error of a driver. @param doing the operation: `list the tables` */
export type TranslateError = (error: unknown, doing: string) => unknown

/** `remedy`: what to do if the server refuses the credentials. */
export type TranslateOptions = { readonly signal: AbortSignal; readonly remedy: string }

/** Runs a call to the database and translates its errors. */
export type DatabaseCall = <Result>(doing: string, run: () => Promise<Result>) => Promise<Result>

/** An address for people: without the credentials. */
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
