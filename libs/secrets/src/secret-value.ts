import { SecretMissingError, SecretUnusableError } from './errors.ts'

/**
 * The value in a text as a store keeps it: files and what is pasted end with a line break that is no part of it.
 * @returns an empty text where there is nothing but blanks: a secret that cannot be seen is none
 */
export function secretIn(text: string): string {
  return isBlank(text) ? '' : text.replace(/\r?\n$/, '')
}

/**
 * Whether a text has nothing that can be seen: spaces of any script, line breaks, control characters, and what Unicode
 * says to show nothing for. What trims it later, a header or a comparison, must not find an empty text.
 */
export function isBlank(text: string): boolean {
  return /^[\s\p{Z}\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u{2800}]*$/u.test(text)
}

/** Whether looking a secret up gives one. That the store cannot be asked remains an error. */
export async function isThere(lookUp: Promise<string>): Promise<boolean> {
  try {
    await lookUp
    return true
  } catch (error) {
    if (error instanceof SecretMissingError || error instanceof SecretUnusableError) return false
    throw error
  }
}
