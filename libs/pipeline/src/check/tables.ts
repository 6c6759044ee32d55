import type { Place, Problems } from '@cinelake/config-text'
import type { SqlTyper } from '../sql-typer.ts'
import type { RefinedTable } from './personal.ts'

/** What every refined dataset has besides its contract's columns: the start of the window in which the row landed. */
export const WINDOW_COLUMN = { name: '_window', type: 'TIMESTAMP WITH TIME ZONE' } as const

/** Where a table's columns are written: each, and all of them. */
export type TablePlaces = { readonly place: Place; readonly columns: ReadonlyMap<string, Place> }

/** The refined tables of a pipeline, as they become known. Names are compared without case, as SQL does. */
export class Tables {
  readonly typer: SqlTyper | undefined
  /** Where tables and their columns are written, by the table's name. */
  readonly places = new Map<string, TablePlaces>()
  readonly #problems: Problems
  readonly #claimed = new Map<string, { readonly name: string; readonly place: Place }>()
  readonly #usable = new Map<string, RefinedTable>()
  readonly #used = new Map<string, string>()

  constructor(typer: SqlTyper | undefined, problems: Problems) {
    this.typer = typer
    this.#problems = problems
  }

  /** Takes a name for a table. @returns false when another has it, which has been reported */
  claim(name: string, place: Place): boolean {
    const other = this.#claimed.get(name.toLowerCase())
    if (other !== undefined) {
      const { file, line } = other.place
      this.#problems.error(
        place,
        `the table \`${name}\` is made twice: also at ${file}:${line}`,
        'rename one of the two; names are compared without case',
      )
      return false
    }
    this.#claimed.set(name.toLowerCase(), { name, place })
    return true
  }

  /** Notes where a table's columns are written. */
  placed(table: string, place: Place, columns: ReadonlyMap<string, Place>): void {
    this.places.set(table, { place, columns })
  }

  /** Makes a table's columns known. @returns whether queries over it can be typed */
  async add(table: RefinedTable, isWhole: boolean): Promise<boolean> {
    if (!isWhole) return false
    this.#usable.set(table.name.toLowerCase(), table)
    await this.typer?.createTable(table.name, table.columns)
    return true
  }

  /**
   * Makes a table of another pipeline known, under `pipeline.table`.
   * @param table undefined where its columns are not known
   */
  async use(name: string, table: RefinedTable | undefined): Promise<void> {
    this.#used.set(name.toLowerCase(), name)
    if (table !== undefined) await this.add(table, true)
  }

  /** The name as `pipeline.table` of a table of another pipeline that this one uses. */
  usedName(name: string): string | undefined {
    return this.#used.get(name.toLowerCase())
  }

  get usedNames(): string[] {
    return [...this.#used.values()]
  }

  /** A table whose columns are known. */
  usable(name: string): RefinedTable | undefined {
    return this.#usable.get(name.toLowerCase())
  }

  /** The name as it was given where the table is defined; undefined when there is no such table, usable or not. */
  nameOf(name: string): string | undefined {
    return this.#claimed.get(name.toLowerCase())?.name
  }

  get names(): string[] {
    return [...this.#claimed.values()].map(({ name }) => name)
  }
}
