import { secretErrors } from './errors.ts'

/** Refuses what could lead out of the store that it is looked up in. @throws {SECRET_NAME_INVALID} */
export function checkSecretName(name: string): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) throw secretErrors.SECRET_NAME_INVALID(name)
}
