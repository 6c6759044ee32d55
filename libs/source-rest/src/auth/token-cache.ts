import { CancelledError, type Clock } from '@cinelake/core'

/** A token and its expiry in milliseconds since 1970. */
export type Token = { readonly value: string; readonly expiresAt: number }

/** Milliseconds. A token is renewed this long, or a tenth of its lifetime, before it expires, so that no request is too late. */
const MARGIN_MS = 60_000

export type TokenCache = {
  /** Refresh tokens that servers issued in place of older ones, by the one stored in the secrets. */
  readonly rotated: Map<string, string>
  /** The token of a name. Concurrent callers share one request for it. */
  get(name: string, obtain: () => Promise<Token>, signal: AbortSignal): Promise<Token>
  /** Obtains another, unless another caller has done so since `refused` was issued. */
  renew(name: string, refused: string, obtain: () => Promise<Token>, signal: AbortSignal): Promise<Token>
}

type Held = { readonly token: Promise<Token>; value?: string; usableUntil: number }

/** Tokens of all sources of this process. Kept in memory only. */
export function createTokenCache(clock: Clock): TokenCache {
  const tokens = new Map<string, Held>()

  const obtainNew = (name: string, obtain: () => Promise<Token>): Held => {
    const held: Held = { token: obtain(), usableUntil: Infinity }
    tokens.set(name, held)
    void settle(name, held)
    return held
  }
  const settle = async (name: string, held: Held): Promise<void> => {
    try {
      const { value, expiresAt } = await held.token
      const life = expiresAt - clock().getTime()
      Object.assign(held, { value, usableUntil: expiresAt - Math.min(MARGIN_MS, life / 10) })
    } catch {
      // Waiting callers get the error; the next caller tries again.
      if (tokens.get(name) === held) tokens.delete(name)
    }
  }
  const usable = (name: string) => {
    const held = tokens.get(name)
    return held !== undefined && clock().getTime() < held.usableUntil ? held : undefined
  }
  const get: TokenCache['get'] = async (name, obtain, signal) => {
    const before = usable(name)
    try {
      return await (before ?? obtainNew(name, obtain)).token
    } catch (error) {
      // The task that requested it was cancelled.
      if (before === undefined || !(error instanceof CancelledError) || signal.aborted) throw error
      return await get(name, obtain, signal)
    }
  }
  return {
    rotated: new Map(),
    get,
    async renew(name, refused, obtain, signal) {
      if (usable(name)?.value === refused) tokens.delete(name)
      return await get(name, obtain, signal)
    },
  }
}
