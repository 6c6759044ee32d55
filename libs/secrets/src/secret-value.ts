import { SecretMissingError, SecretUnusableError } from './errors.ts'

/**
 * The value in a text as stored: files and pasted texts end with a line break that is not part of the value.
 * @returns an empty text where there are only invisible characters: such a secret counts as missing
 */
export function secretIn(text: string): string {
  return isBlank(text) ? '' : text.replace(/\r?\n$/, '')
}

/**
 * Whether a text has no visible character: only white space of any script, line breaks, control characters, and
 * characters that Unicode defines as invisible. Code that trims it later, for a header or a comparison, must not get an
 * empty text.
 */
export function isBlank(text: string): boolean {
  return /^[\s\p{Z}\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u{2800}]*$/u.test(text)
}

/** Whether a look-up finds a secret. A store that cannot be reached remains an error. */
export async function isThere(lookUp: Promise<string>): Promise<boolean> {
  try {
    await lookUp
    return true
  } catch (error) {
    if (error instanceof SecretMissingError || error instanceof SecretUnusableError) return false
    throw error
  }
}
