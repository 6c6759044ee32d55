import type { RestAuth } from '../config/index.ts'
import type { AuthKind } from './auth-kind.ts'

/** A user and a password. */
export const basic: AuthKind<Extract<RestAuth, { type: 'basic' }>> = {
  proof: ({ username, password }) => ({ headers: { authorization: basicHeader(username, password) } }),
}

/** The value of an Authorization header of the scheme `Basic` (RFC 7617). */
export const basicHeader = (user: string, password: string) =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
