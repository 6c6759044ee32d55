/**
 * What came in place of a record and cannot be a row. It lands with a number of cells that no row of its file has, so that it is
 * rejected like a row of that shape in any other file.
 */
export class BrokenRecord {
  /** As it came, cell by cell as far as they could be told apart. */
  readonly cells: readonly (string | null)[]
  /** As text without values. */
  readonly reason: string
  /** The columns that it should have had, where they are known. */
  readonly names: readonly string[]

  constructor(cells: readonly (string | null)[], reason: string, names: readonly string[] = []) {
    this.cells = cells
    this.reason = reason
    this.names = names
  }
}
