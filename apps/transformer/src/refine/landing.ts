import type { Manifest } from '@cinelake/contracts'

// What a manifest says of its landing, beside the rows in it.

/** Whether a landing says of each row if it is gone. Those that are come last in each file. */
export function hasDeletions({ cursor }: Manifest): boolean {
  return cursor !== undefined && 'kind' in cursor && cursor.kind === 'changes' && cursor.since !== null
}

/** Where changes could not be told the whole table landed: what is not in it is gone. */
export function isWholeTable({ cursor }: Manifest): boolean {
  return cursor !== undefined && 'kind' in cursor && cursor.kind === 'changes' && cursor.since === null
}

export function isEmpty({ files, rowCount }: Manifest): boolean {
  return files.length === 0 || rowCount === 0
}

/** Files in the order in which later ones win. */
export function inOrderOfName<File extends { readonly name: string }>(files: readonly File[]): File[] {
  return files.toSorted((one, other) => (one.name < other.name ? -1 : one.name > other.name ? 1 : 0))
}
