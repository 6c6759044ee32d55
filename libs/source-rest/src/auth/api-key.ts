import type { RestAuth } from '../config/index.ts'
import type { AuthKind } from './auth-kind.ts'

/** A key in a header or in a parameter of the address. */
export const apiKey: AuthKind<Extract<RestAuth, { type: 'apiKey' }>> = {
  proof: (auth) =>
    auth.in === 'header' ? { headers: { [auth.name]: auth.key } } : { headers: {}, parameter: [auth.name, auth.key] },
}
