/** How the program is called in a clone that is installed. */
export const CALL = 'npx cinelake'

/** A text as one argument of a shell's command line. */
export function shellArgument(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
