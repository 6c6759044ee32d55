/** The command line of the program in an installed clone. */
export const CALL = 'npx cinelake'

/** Quotes a text as one argument of a shell's command line. */
export function shellArgument(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
