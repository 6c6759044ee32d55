/**
 * Whether a path that is written relative to a folder leads to something in that folder, on whatever system: it is not
 * absolute, names no drive, and goes up nowhere.
 */
export function staysBelow(path: string): boolean {
  return !/^[/\\]|^[A-Za-z]:|\p{Cc}/u.test(path) && !path.split(/[/\\]/).includes('..')
}

/** Whether a path says where it begins: `/done`, `D:\\done`, `\\\\server\\share`. */
export function isAbsolutePath(path: string): boolean {
  return /^\/|^\\\\|^[A-Za-z]:[/\\]/.test(path)
}
