import { SecretMissingError, SecretUnusableError } from './errors.ts'

/** Files and what is pasted end with a line break that nobody means. */
export function withoutLineBreak(value: string): string {
  return value.replace(/\r?\n$/, '')
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
