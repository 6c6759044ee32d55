import { secretErrors } from './errors.ts'

/** Rejects names that could escape the store (path traversal). @throws {SECRET_NAME_INVALID} */
export function checkSecretName(name: string): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) throw secretErrors.SECRET_NAME_INVALID(name)
}
