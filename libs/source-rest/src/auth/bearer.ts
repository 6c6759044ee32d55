import type { RestAuth } from '../config/index.ts'
import type { AuthKind } from './auth-kind.ts'

/** A token that is a secret of its own (RFC 6750, 2.1). */
export const bearer: AuthKind<Extract<RestAuth, { type: 'bearer' }>> = {
  proof: ({ token }) => ({ headers: { authorization: `Bearer ${token}` } }),
}
