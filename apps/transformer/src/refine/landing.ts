import type { Manifest } from '@cinelake/contracts'

// Properties of a landing, from its manifest, apart from its rows.

/** Whether each row of a landing is marked as deleted or not. Deleted rows come last in each file. */
export function hasDeletions({ cursor }: Manifest): boolean {
  return cursor !== undefined && 'kind' in cursor && cursor.kind === 'changes' && cursor.since !== null
}

/** Where changes could not be determined the whole table landed: a row that is missing in it is deleted. */
export function isWholeTable({ cursor }: Manifest): boolean {
  return cursor !== undefined && 'kind' in cursor && cursor.kind === 'changes' && cursor.since === null
}

export function isEmpty({ files, rowCount }: Manifest): boolean {
  return files.length === 0 || rowCount === 0
}

/** Files in order of precedence: later ones win. */
export function inOrderOfName<File extends { readonly name: string }>(files: readonly File[]): File[] {
  return files.toSorted((one, other) => (one.name < other.name ? -1 : one.name > other.name ? 1 : 0))
}
