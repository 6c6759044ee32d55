/** How the program is called from a clone, with nothing installed besides Node. */
export const CALL = 'npx -y pnpm@12 cinelake'

/** A text as one argument of a shell's command line. */
export function shellArgument(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
